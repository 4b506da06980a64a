"""A lane that nobody reads is found, told, and gets no questions."""

from pathlib import Path
from typing import Any

import structlog

from imagedrift_ingest.adapters.jetstream.lanes import LANES, LaneMonitor
from imagedrift_ingest.wiring import Periods
from imagedrift_runtime.health import Health
from imagedrift_runtime.nats import bus, provision
from imagedrift_runtime.process import Process
from imagedrift_sandbox.nats import NatsServer
from imagedrift_schemas import subjects
from support.ingest import NGINX, Fleet, image, ingest
from support.nats_client import jetstream
from support.polling import until

OFTEN = Periods(lanes=0.1, registries=0.1)
"""Ingest looks at the lanes and at registries.toml many times a second."""


async def test_a_lane_whose_consumer_goes_gets_no_questions_until_it_has_one_again(
    dsn: str, fresh_nats: NatsServer, agents: Fleet
) -> None:
    """A lane that loses its consumer gets no questions until it has one again."""
    async with ingest(dsn, fresh_nats.url, every=OFTEN) as run:
        await jetstream(agents.bus).delete_consumer(
            subjects.STREAM_LOOKUP, subjects.lane_consumer("hub")
        )
        reason = await until(lambda: _reason(run), what="it is told")
        await agents.has("web-1", image())
        await agents.has("web-2", image("ghcr.io/a/b:1"))
        await until(lambda: agents.asked("ghcr.io/a/b:1", "ghcr"), what="other lanes go on")
        assert await agents.asked(NGINX) is None

        await provision.ensure(agents.bus)

        await until(lambda: agents.asked(NGINX), what="it is asked")
        assert not _reason(run)
    assert reason == (
        "no consumer for the lanes hub: run `imagedrift streams` with this registries.toml"
    )


async def test_lanes_are_looked_at_before_anything_is_asked(
    fresh_nats: NatsServer, agents: Fleet
) -> None:
    """A lane without a consumer at the start gets no question."""
    health = Health()
    async with bus.connect([fresh_nats.url], "test", health=health) as nats:
        watch = LaneMonitor(nats, lambda: ["hub", "corp:5000"])
        await watch.look()

    assert (watch.is_missing("hub"), watch.is_missing("corp:5000")) == (False, True)
    assert "the lanes corp:5000, corp:5000 (lists):" in health.parts()[LANES].reason


async def test_a_look_that_nobody_answers_is_told_and_keeps_what_was_known(
    fresh_nats: NatsServer, agents: Fleet
) -> None:
    """A check of the lanes that fails is reported, and keeps the last result."""
    health = Health()
    async with bus.connect([fresh_nats.url], "test", health=health) as nats:
        watch = LaneMonitor(nats, lambda: ["hub"])
        await watch.look()
        await jetstream(nats).delete_stream(subjects.STREAM_LOOKUP)
        await watch.look()
        gone = health.parts()[LANES]
        await provision.ensure(nats)
        await watch.look()

    assert "stream not found: run `imagedrift streams`" in gone.reason
    assert not watch.is_missing("hub")
    assert health.parts()[LANES].ready


async def test_more_consumers_than_fit_one_reply_are_all_seen(fresh_nats: NatsServer) -> None:
    """More than 256 consumers, the most of one reply, are all seen."""
    async with bus.connect([fresh_nats.url], "test") as nats:
        lanes = {f"lane{number}": 1 for number in range(300)}
        await provision.ensure(nats, lanes=lanes)
        found = await nats.lags(subjects.STREAM_LOOKUP)

    # Each lane has a consumer for questions and one for lists of tags.
    assert len(found) == 2 * (300 + len(subjects.LANES))


def _reason(run: Process) -> Any:
    part = run.health.parts().get(LANES)
    return part.reason if part and not part.ready else None


async def test_a_registry_that_is_named_while_ingest_runs_is_asked_about(
    dsn: str,
    fresh_nats: NatsServer,
    agents: Fleet,
    tmp_path: Path,
) -> None:
    """A registry that is named while ingest runs is asked from then on."""
    file = tmp_path / "registries.toml"
    file.write_text("")
    await provision.ensure(agents.bus, lanes={"localhost:5000": 2})
    async with ingest(dsn, fresh_nats.url, every=OFTEN, registries=str(file)):
        await agents.has("web-1", image("localhost:5000/app:1"), image())
        await until(lambda: agents.asked(NGINX), what="the other one is asked")
        file.write_text('[registry."localhost:5000"]\nmax_connections = 2\n')
        await until(
            lambda: agents.asked("localhost:5000/app:1", "localhost:5000"), what="it is asked"
        )


async def test_a_lane_that_no_resolver_reads_is_told_once(
    fresh_nats: NatsServer, agents: Fleet
) -> None:
    """A lane that no resolver reads is reported once, and leaves ingest ready."""
    health = Health()
    await agents.bus.publish("drift.v1.lookup.hub.docker=2Eio.a=3A1", b"?", ttl_s=60)
    async with bus.connect([fresh_nats.url], "test", health=health) as nats:
        watch = LaneMonitor(nats, lambda: ["hub", "quay"])
        with structlog.testing.capture_logs() as logs:
            for _ in range(4):
                await watch.look()

    told = [(entry["event"], entry["lanes"]) for entry in logs]
    assert told == [("lanes.unread", ["hub"])]
    assert health.parts()[LANES].ready
