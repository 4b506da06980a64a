"""Logs: one event per line in one form, and never a secret."""

import io
import json
import logging
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
import structlog

from imagedrift_runtime import logs


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Leave logging as it was found."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def written(
    monkeypatch: pytest.MonkeyPatch,
    form: logs.Format,
    monotonic: Callable[[], float] = time.monotonic,
) -> io.StringIO:
    """Configure logging onto a text."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure("imagedrift-test", form, monotonic=monotonic)
    return stream


@pytest.mark.parametrize("form", ["json", "auto"])
def test_json_has_the_event_the_fields_and_the_service(
    monkeypatch: pytest.MonkeyPatch, form: logs.Format
) -> None:
    """Where nobody watches, an event is one line of JSON."""
    stream = written(monkeypatch, form)

    structlog.get_logger().info("image.pulled", reference="nginx", size=7)

    line = json.loads(stream.getvalue())
    assert (line["event"], line["reference"], line["size"]) == ("image.pulled", "nginx", 7)
    assert (line["service"], line["level"]) == ("imagedrift-test", "info")
    assert line["timestamp"].endswith("Z")


def test_a_warning_of_a_library_is_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning of a library is an event like any other, without a line of its code."""
    stream = written(monkeypatch, "json")
    monkeypatch.setattr(warnings, "showwarning", logs.log_warning)

    warnings.warn("password file is no file", stacklevel=1)

    line = json.loads(stream.getvalue())
    assert (line["event"], line["warning"]) == ("library.warned", "password file is no file")


def test_a_loop_that_repeats_a_line_fills_no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two refusals a second, for an hour, a line a minute is written, and all are counted."""
    moment = iter(range(7_200))
    stream = written(monkeypatch, "json", lambda: next(moment) / 2)

    for second in range(7_200):
        structlog.get_logger().warning("heartbeat.refused", error=f"try {second}")

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert 60 <= len(lines) <= 70
    assert sum(line.get("unwritten", 0) for line in lines) + len(lines) >= 7_200 - 120


def test_an_event_that_is_repeated_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each event has lines of its own, and ordinary work has more of them than trouble."""
    stream = written(monkeypatch, "json", lambda: 0.0)

    for _ in range(100):
        structlog.get_logger().warning("heartbeat.refused")
        structlog.get_logger().info("inventory.published")
    structlog.get_logger().error("nats.closed")

    events = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert Counter(events) == {
        "heartbeat.refused": 10,
        "inventory.published": 60,
        "nats.closed": 1,
    }


@pytest.mark.parametrize("field", ["work", "step", "stream"])
def test_what_fails_all_the_time_hides_no_failure_of_another(
    monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    """Each work, step and stream has lines of its own; what a registry is called gives it none."""
    stream = written(monkeypatch, "json", lambda: 0.0)

    for number in range(100):
        structlog.get_logger().warning("work.failed", **{field: "first"}, registry=f"r{number}")
    structlog.get_logger().warning("work.failed", **{field: "second"})

    told = [json.loads(line)[field] for line in stream.getvalue().splitlines()]
    assert Counter(told) == {"first": 10, "second": 1}


def test_a_library_that_repeats_a_line_fills_no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library's line counts by its logger, whatever its text; the next one tells the number."""
    now = [0.0]
    stream = written(monkeypatch, "json", lambda: now[0])

    for number in range(100):
        logging.getLogger("asyncio").error(f"socket {number} failed")
    now[0] = 60.0
    logging.getLogger("asyncio").error("socket failed")

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(lines) == 11
    assert lines[-1]["unwritten"] == 90


def test_console_is_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without colours where it is no terminal."""
    stream = written(monkeypatch, "console")

    structlog.get_logger().info("image.pulled", reference="nginx")

    assert "image.pulled" in stream.getvalue()
    assert "reference=nginx" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_nothing_that_a_terminal_acts_on_is_written_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """For any sender: in a field, a library's message or an error, an event stays its line."""
    stream = written(monkeypatch, "console")
    odd = "\x1b[2J\u202e\nfake=line"

    structlog.get_logger().warning("message.rejected", subject="\x07\x9b", error=odd, all=[odd])
    logging.getLogger("nats.aio.client").warning("lost %s", odd)
    try:
        raise ValueError(odd)
    except ValueError:
        structlog.get_logger().exception("handler.failed")

    lines = stream.getvalue().removesuffix("\n").split("\n")
    assert all(map(str.isprintable, lines))
    assert not any(line.startswith("fake") for line in lines)


def test_auto_is_console_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The console form is coloured on a terminal."""
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure("imagedrift-test", "auto")

    structlog.get_logger().info("image.pulled")

    assert "\x1b" in stream.getvalue()


def test_an_exception_is_told_with_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line of JSON, still."""
    stream = written(monkeypatch, "json")
    try:
        raise ValueError("planted")
    except ValueError:
        structlog.get_logger().exception("handler.failed")

    line = json.loads(stream.getvalue())
    assert "ValueError: planted" in line["exception"]


def test_what_libraries_say_takes_the_same_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """Warnings and worse, as JSON with their logger's name; less is not written."""
    stream = written(monkeypatch, "json")

    logging.getLogger("nats.aio.client").warning("lost %s", "it")
    logging.getLogger("nats.aio.client").info("chatter")

    line = json.loads(stream.getvalue())
    assert (line["event"], line["logger"], line["level"]) == (
        "lost it",
        "nats.aio.client",
        "warning",
    )
    assert line["service"] == "imagedrift-test"


@pytest.mark.parametrize(
    "fields",
    [
        {"authorization": "Basic hunter2"},
        {"headers": {"Authorization": "Bearer hunter2", "Accept": "any"}},
        {"password": "hunter2"},
        {"registry_password": b"hunter2"},
        {"refresh_token": "hunter2"},
        {"tokens": ["hunter2", "hunter2"]},
        {"deep": [{"client_secret": "hunter2"}]},
    ],
)
@pytest.mark.parametrize("form", ["json", "console"])
def test_a_secret_is_never_written(
    monkeypatch: pytest.MonkeyPatch, form: logs.Format, fields: dict[str, object]
) -> None:
    """However deep it is, a field whose name says that it is one shows nothing."""
    stream = written(monkeypatch, form)

    structlog.get_logger().warning("request.failed", **fields)
    logging.getLogger("library").warning("failed", extra=fields)

    assert "hunter2" not in stream.getvalue()
    assert logs.REDACTED in stream.getvalue()


def test_what_is_no_secret_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A count of tokens, a registry's credential by its name: nothing to hide."""
    stream = written(monkeypatch, "json")

    structlog.get_logger().info("done", token_requests=3, credential="robot", token="")

    line = json.loads(stream.getvalue())
    assert (line["token_requests"], line["credential"], line["token"]) == (3, "robot", "")


LOCALS = """
import structlog  # before the runtime, as a service may: with rich, where that is installed
import rich
from imagedrift_runtime import logs

logs.configure("imagedrift-test", "console")

def send(password):
    raise ValueError("planted")

try:
    send("hunter" + "2")
except ValueError:
    structlog.get_logger().exception("handler.failed")
"""


def test_a_traceback_shows_no_values() -> None:
    """A defect in the middle of a login must not write the password to the terminal."""
    done = subprocess.run(
        [sys.executable, "-c", LOCALS], capture_output=True, text=True, check=True, timeout=30
    )

    assert "ValueError: planted" in done.stderr
    assert "hunter2" not in done.stderr
