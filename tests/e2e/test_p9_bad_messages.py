"""P9 end to end: a bad message becomes a dead letter that names its fault; the next is stored."""

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from imagedrift_runtime.clock import now
from imagedrift_runtime.nats.errors import NotPublished
from imagedrift_sandbox.registry.faults import html_page
from imagedrift_sandbox.registry.server import SandboxRegistry
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import LocalImage, Resolve
from support.fleet import SITE, System, inventory, pulled, system
from support.polling import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

GOOD = LocalImage(reference="registry.example.org/app:1", image_id=f"sha256:{'a' * 64}")
KEPT = 64 * 1024


def encoded(host: str, **wrong: Any) -> bytes:
    """Return an encoded inventory of a good image, with fields replaced or added."""
    payload = codec.encode(inventory(host, [GOOD]))
    for field, value in wrong.items():
        payload = payload[:-1] + f',"{field}":{value}'.encode() + b"}"
    return payload


def with_image(host: str, **facts: Any) -> bytes:
    """Return an inventory whose second image has these fields."""
    given: dict[str, Any] = {"reference": "registry.example.org/b:1", "image_id": GOOD.image_id}
    return codec.encode(inventory(host, [GOOD, LocalImage(**(given | facts))]))


BAD = {
    "not-json": (b"\x00\xff nothing that we know", "malformed"),
    "another-type": (b'{"type":"alive","site":"test","host":"another-type"}', "type"),
    "no-content": (b'{"type":"inventory","site":"test","host":"no-content"}', "taken_at"),
    "no-zone": (encoded("no-zone", taken_at='"2026-11-23T16:20:00"'), "taken_at"),
    "wrong-type": (encoded("wrong-type", interval_s='"soon"'), "interval_s"),
    "never-speaks": (encoded("never-speaks", interval_s=0), "interval_s"),
    "other-host": (encoded("somebody-else"), "site and host"),
    "large": (b'{"type":"inventory",' + b" " * 900_000 + b"}", "malformed"),
}
"""By the host that says it: a message, and what the dead letter must tell, the place included."""


ODD = {
    "not-utf-8": encoded("not-utf-8").replace(b'"docker"', b'"dock\xff\xff"'),
    "surrogate": encoded("surrogate", labels=r'{"a": "\ud800"}'),
    "nul": encoded("nul", hostname=r'"web\u0000"'),
    "long-name": encoded("long-name", hostname=f'"{"x" * 5000}"'),
    "engine-error": encoded("engine-error", degraded=r'"no\nanswer\r\n\t\u202e"'),
    "ten-thousand-labels": encoded(
        "ten-thousand-labels", labels=json.dumps({f"k{n}": "v" for n in range(10_000)})
    ),
    "large-label": encoded("large-label", labels=json.dumps({"k": "v" * 900_000})),
    "odd-containers": with_image("odd-containers", containers=("", "a\x00", "b\x1f", "c" * 9000)),
    "docker-s-zero": with_image("docker-s-zero", created_at=datetime(1, 1, 1, tzinfo=UTC)),
    "last-hour": with_image("last-hour", created_at=datetime(9999, 12, 31, 23, tzinfo=UTC)),
}
"""By the host that says it: an inventory with something that only informs, and is odd."""

LEFT_OUT = {
    "bad-reference": (
        with_image("bad-reference", reference="Registry.example.org/UPPER CASE:1"),
        "images[1].reference",
    ),
    "no-tag": (with_image("no-tag", reference="<none>:<none>"), "images[1].reference"),
    "bad-digest": (with_image("bad-digest", repo_digests=("sha256:short",)), "images[1].repo_dig"),
    "negative": (with_image("negative", size=-1), "images[1]"),
}
"""By the host that says it: an inventory with a bad image, and what the dead letter must tell."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def web_page() -> AsyncIterator[SandboxRegistry]:
    """A registry that answers every request with a web page."""
    async with SandboxRegistry().serving() as serving:
        serving.misbehave(html_page())
        yield serving


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    web_page: SandboxRegistry, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    """One system for all tests here, so that a test notices what another one's message broke."""
    home: Path = tmp_path_factory.mktemp("bad")
    async with system(home, web_page) as started:
        yield started


@pytest.mark.parametrize("host", BAD)
async def test_p9_a_bad_inventory_is_a_dead_letter_and_the_next_is_served(
    running: System, host: str
) -> None:
    """The dead letter of a bad inventory names message, field and fault; the next one is stored."""
    payload, told = BAD[host]
    subject = subjects.inventory(SITE, host)

    await running.hosts.say(subject, payload)
    await running.hosts.have(f"after-{host}", GOOD)

    [letter] = await until(
        lambda: running.operator.ask("SELECT * FROM ops.dead_letters WHERE subject = $1", subject),
        what="the dead letter is there",
    )
    assert (letter["reason"], letter["service"]) == ("malformed", "ingest")
    assert told in f"{letter['reason']}: {letter['error']}"
    assert letter["stream"] == subjects.STREAM_INVENTORY
    assert letter["stream_seq"] > 0
    assert letter["payload"].startswith("{") == payload.startswith(b"{")
    assert len(letter["payload"]) <= KEPT
    await until(
        lambda: running.operator.ask("SELECT 1 FROM ops.hosts WHERE host = $1", f"after-{host}"),
        what="the next host is stored",
    )
    assert await running.operator.ask("SELECT 1 FROM ops.comparisons WHERE host = $1", host) == []


@pytest.mark.parametrize("host", ODD)
async def test_p9_what_only_informs_refuses_no_host(running: System, host: str) -> None:
    """Odd names, labels, errors and dates are cleaned, and refuse no host."""
    await running.hosts.say(subjects.inventory(SITE, host), ODD[host])

    stored = await until(
        lambda: running.operator.ask("SELECT * FROM ops.comparisons WHERE host = $1", host),
        what="the host is stored",
    )
    [told] = await running.operator.ask("SELECT * FROM ops.hosts WHERE host = $1", host)
    shown = json.dumps([told, *stored], default=str)
    assert re.search(r"\\u(00[01]|007f|008|202e|d[89a-f])", shown) is None
    assert told["images"] == len(stored)
    assert told["skipped"] == {}


@pytest.mark.parametrize("host", LEFT_OUT)
async def test_p9_a_bad_image_costs_itself_only(running: System, host: str) -> None:
    """A bad image is counted and gets a dead letter, and the host's other image is stored."""
    payload, told = LEFT_OUT[host]
    subject = subjects.inventory(SITE, host)

    await running.hosts.say(subject, payload)

    [letter] = await until(
        lambda: running.operator.ask("SELECT * FROM ops.dead_letters WHERE subject = $1", subject),
        what="the dead letter is there",
    )
    assert told in letter["error"]
    [row] = await running.operator.ask("SELECT * FROM ops.hosts WHERE host = $1", host)
    assert (row["images"], row["skipped"]) == (1, {"refused": 1})


async def test_p9_an_unknown_field_is_no_fault(running: System) -> None:
    """Unknown fields of a newer agent are ignored, and its inventory is stored."""
    payload = encoded("newer", mood='"good"', images_v2='[{"anything": [1, 2]}]')

    await running.hosts.say(subjects.inventory(SITE, "newer"), payload)

    row = await running.operator.sees(GOOD.reference, host="newer")
    assert row["verdict"] == "local"


async def test_p9_a_message_too_large_for_nats_is_refused_to_its_sender(running: System) -> None:
    """A message over NATS' limit fails at its publisher, which goes on with its connection."""
    with pytest.raises(NotPublished, match="payload"):
        await running.hosts.bus.publish(subjects.inventory(SITE, "huge"), b" " * 2_000_000)

    await running.hosts.have("huge", GOOD)

    await running.operator.sees(GOOD.reference, host="huge")


async def test_p9_a_bad_question_is_a_dead_letter_of_the_resolver(running: System) -> None:
    """A malformed question, or one about a malformed reference, becomes a dead letter."""
    at = now()
    question = Resolve(
        registry="registry.example.org", repository="UPPER", tag="1", asked_at=at, fresh_since=at
    )
    for token, payload in (("a=3A1", b"what?"), ("b=3A1", codec.encode(question))):
        await running.hosts.say(f"drift.v1.lookup.other.registry=2Eexample=2Eorg.{token}", payload)

    letters = await until(
        lambda: running.operator.ask(
            "SELECT reason, error FROM ops.dead_letters WHERE stream = $1 "
            "AND (SELECT count(*) FROM ops.dead_letters WHERE stream = $1) = 2 ORDER BY subject",
            subjects.STREAM_LOOKUP,
        ),
        what="both dead letters are there",
    )
    assert [each["reason"] for each in letters] == ["malformed", "bad_reference"]
    assert "UPPER" in letters[1]["error"]


async def test_p9_a_registry_that_answers_with_a_web_page_is_named(
    running: System, web_page: SandboxRegistry
) -> None:
    """A row says that a web page came in place of an answer, without any text of the page."""
    image = pulled(web_page, "app")

    await running.hosts.have("reader", image)

    row = await running.operator.sees(image.reference, verdict="unknown", reason="unsupported")
    assert "web page" in row["error"]
    assert "<" not in row["error"]
    [error] = await running.operator.ask("SELECT * FROM ops.lookup_errors")
    assert (error["reference"], error["hosts"]) == (image.reference, 1)
