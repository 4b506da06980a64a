"""A service's process, from its start to its end: real processes, real signals."""

import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM, Signals

import pytest

from imagedrift_sandbox.free_port import free_port
from imagedrift_sandbox.http_probe import http_status

PROGRAM = '''
import asyncio, os, sys, threading, time
from typing import Annotated
from msgspec import Meta, Struct
from imagedrift_runtime import process
from imagedrift_runtime.nats.errors import NoBus
from imagedrift_runtime.common_settings import CommonSettings
from imagedrift_runtime.settings import Variable

class Settings(CommonSettings, Struct, frozen=True, kw_only=True):
    """Settings of a service that does as it is told."""
    do: Annotated[str, Variable("T_DO", "what to do")] = "stop"
    count: Annotated[int, Meta(ge=1), Variable("T_COUNT", "how many")] = 1
    token: Annotated[str, Meta(min_length=8), Variable("T_TOKEN", "opens it", secret=True)]

process.STOP_WITHIN_S = float(os.environ.get("T_STOP_WITHIN", "20"))
process.EXIT_WITHIN_S = 0.5

async def start(values, running):
    running.health.ready("work")
    print("working", flush=True)
    match values.do:
        case "fail":
            raise ValueError("planted")
        case "no bus":
            raise NoBus("no NATS at nats://nowhere")
        case "no port":
            raise process.NoPort("T_PORT: 127.0.0.1:1: taken")
        case "stop":
            await running.stopping.wait()
        case "reload":
            await running.reload.wait()
            print("reloaded", flush=True)
            await running.stopping.wait()
        case "ignore":
            await asyncio.Event().wait()
        case "hang":
            await asyncio.to_thread(time.sleep, 60)
        case "finish":
            await running.stopping.wait()
            await asyncio.sleep(0.3)
            print("finished", flush=True)

sys.exit(process.run("imagedrift-runtime", Settings, start, about="Does as told.", parts=("work",)))
'''


class Service:
    """The program, started."""

    def __init__(self, path: Path, *arguments: str, **environ: str) -> None:
        defaults = {"T_TOKEN": "a-long-token", "IMAGEDRIFT_LOG": "json"}
        self.process = subprocess.Popen(
            [sys.executable, path, *arguments],
            env=defaults | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_until_working(self) -> None:
        """Return when it has said so."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "working\n"

    def signal(self, number: Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def end(self) -> tuple[int, str, str]:
        """Wait for its end: exit code, output, errors."""
        output, errors = self.process.communicate(timeout=15)
        return self.process.returncode, output, errors


Starter = Callable[..., Service]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Starter]:
    """Starts the program; whatever still runs at the end is killed."""
    path = tmp_path / "service.py"
    path.write_text(textwrap.dedent(PROGRAM))
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **environ: str) -> Service:
        running = Service(path, *arguments, **environ)
        started.append(running.process)
        return running

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [SIGTERM, SIGINT])
def test_a_signal_lets_the_service_finish(service: Starter, number: Signals) -> None:
    """The messages in hand are finished, and the exit code says that all is well."""
    running = service(T_DO="finish")
    running.wait_until_working()

    running.signal(number)
    code, output, errors = running.end()

    assert (code, output) == (0, "finished\n")
    assert '"event": "service.stopped"' in errors
    assert "Traceback" not in errors


def test_a_hangup_asks_for_files_to_be_read_again(service: Starter) -> None:
    """The service is told, and goes on."""
    running = service(T_DO="reload")
    running.wait_until_working()

    running.signal(SIGHUP)
    assert running.process.stdout is not None
    line = running.process.stdout.readline()
    running.signal(SIGTERM)

    assert (line, running.end()[0]) == ("reloaded\n", 0)


def test_a_second_signal_ends_it_at_once(service: Starter) -> None:
    """A second signal ends the wait."""
    running = service(T_DO="ignore")
    running.wait_until_working()

    running.signal(SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        running.process.wait(0.3)
    running.signal(SIGTERM)
    code, _, errors = running.end()

    assert code == 1
    assert '"event": "service.cancelled"' in errors


def test_a_service_that_does_not_end_is_ended(service: Starter) -> None:
    """The end of a service has a bound."""
    running = service(T_DO="ignore", T_STOP_WITHIN="0.3")
    running.wait_until_working()

    running.signal(SIGTERM)
    code, _, errors = running.end()

    assert code == 1
    assert '"event": "service.cancelled"' in errors


def test_a_thread_that_hangs_does_not_keep_the_process(service: Starter) -> None:
    """The interpreter would wait for it; the process leaves all the same."""
    running = service(T_DO="hang", T_STOP_WITHIN="0.3")
    running.wait_until_working()

    running.signal(SIGTERM)
    code, _, _ = running.end()

    assert code == 1


def test_a_defect_is_told_with_its_traceback(service: Starter) -> None:
    """Exit code 1, and the log says where."""
    code, _, errors = service(T_DO="fail").end()

    assert code == 1
    assert '"event": "service.failed"' in errors
    assert "ValueError: planted" in errors


@pytest.mark.parametrize(
    ("do", "words"), [("no bus", "no NATS at nats://nowhere"), ("no port", "T_PORT: 127.0.0.1:1:")]
)
def test_what_is_missing_is_told_without_one(service: Starter, do: str, words: str) -> None:
    """A server that is away or a port that is taken is nobody's defect: one line says it."""
    code, _, errors = service(T_DO=do).end()

    assert code == 1
    assert words in errors
    assert "Traceback" not in errors


def test_wrong_settings_are_all_told_at_once(service: Starter) -> None:
    """Exit code 2, one line a fault, no traceback, no secret."""
    wrong = service(T_COUNT="none", T_TOKEN="short", IMAGEDRIFT_LOG="xml", NATS_URL="http://x")

    code, output, errors = wrong.end()

    assert (code, output) == (2, "")
    lines = errors.splitlines()
    assert lines[0] == "imagedrift-runtime: the settings are wrong:"
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        "NATS_URL",
        "IMAGEDRIFT_LOG",
        "T_COUNT",
        "T_TOKEN",
    ]
    assert "short" not in errors


def test_help_lists_every_variable_with_its_default(service: Starter) -> None:
    """Help needs no variable to be set."""
    code, output, errors = service("--help", T_TOKEN="").end()

    assert (code, errors) == (0, "")
    assert "Does as told." in output
    assert re.search(r"T_COUNT\n\s+how many \(default: 1\)", output)
    assert re.search(r"T_TOKEN\n\s+opens it; or T_TOKEN_FILE.*\(default: required\)", output)
    assert "nats://127.0.0.1:4222" in output


def test_version_is_told(service: Starter) -> None:
    """The distribution's name and version."""
    code, output, _ = service("--version").end()

    assert code == 0
    assert re.fullmatch(r"imagedrift-runtime \d+\.\d+\.\d+\n", output)


def test_health_is_served_while_it_works(service: Starter) -> None:
    """On the port that is set, with what was counted."""
    port = free_port()
    running = service(IMAGEDRIFT_METRICS_PORT=str(port))
    running.wait_until_working()

    statuses = [http_status(f"http://127.0.0.1:{port}/{path}") for path in ("livez", "readyz")]
    running.signal(SIGTERM)
    code, _, _ = running.end()

    assert (statuses, code) == ([200, 200], 0)


def test_a_port_that_cannot_be_had_is_named(service: Starter) -> None:
    """With the variable that sets it."""
    port = free_port()
    first = service(IMAGEDRIFT_METRICS_PORT=str(port))
    first.wait_until_working()

    code, _, errors = service(IMAGEDRIFT_METRICS_PORT=str(port)).end()

    assert code == 1
    assert f"IMAGEDRIFT_METRICS_PORT: 127.0.0.1:{port}: Address already in use" in errors
    assert "Traceback" not in errors
