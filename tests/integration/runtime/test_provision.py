"""Bringing a real server to the declared topology."""

import asyncio

import pytest

from imagedrift_runtime.nats import provision
from imagedrift_runtime.nats.bus import Bus, connect
from imagedrift_runtime.nats.errors import NotPublished
from imagedrift_runtime.nats.results import AlreadyThere, Stored
from imagedrift_runtime.nats.topology import ACK_WAIT_S, STREAM_MIB, declare
from imagedrift_sandbox.nats import NatsServer
from imagedrift_schemas import subjects
from support.nats_bus import opened
from support.nats_client import jetstream, nats_client


@pytest.fixture
async def empty(fresh_nats: NatsServer):  # type: ignore[no-untyped-def]
    """A connection to a server that has no stream."""
    async with connect([fresh_nats.url], "test") as bus:
        yield bus


async def test_a_second_run_finds_everything_unchanged(empty: Bus) -> None:
    """By the server's own account all is as declared."""
    first = await provision.ensure(empty, lanes={"corp": 8})
    second = await provision.ensure(empty, lanes={"corp": 8})

    assert {step.action for step in first} == {"created"}
    assert [step for step in second if step.action != "unchanged"] == []
    assert "DRIFT_LOOKUP/lane-corp" in [step.name for step in second]


async def test_two_runs_at_once_do_no_harm(empty: Bus, fresh_nats: NatsServer) -> None:
    """Two operators, or two deployments, at the same moment."""
    async with connect([fresh_nats.url], "other") as other:
        await asyncio.gather(provision.ensure(empty), provision.ensure(other))

    assert {step.action for step in await provision.ensure(empty)} == {"unchanged"}


async def test_a_lanes_limit_is_updated_and_its_pause_outlives_that(empty: Bus) -> None:
    """Only what was changed is changed."""
    from datetime import timedelta

    from imagedrift_runtime.clock import now

    await provision.ensure(empty)
    await empty.pause(subjects.STREAM_LOOKUP, "lane-hub", now() + timedelta(minutes=5))

    steps = await provision.ensure(empty, lanes={"hub": 3})

    (changed,) = [step for step in steps if step.action != "unchanged"]
    assert (changed.action, changed.name) == ("updated", "DRIFT_LOOKUP/lane-hub")
    assert changed.diff == ("max_ack_pending: 64 -> 3",)
    assert (await empty.lag(subjects.STREAM_LOOKUP, "lane-hub")).paused


async def test_an_unsafe_change_is_refused_before_anything_is_applied(empty: Bus) -> None:
    """A server that is wrong in one place is not touched in any other."""
    await jetstream(empty).add_stream(
        name=subjects.STREAM_LOOKUP, subjects=[subjects.LOOKUP_ALL], retention="workqueue"
    )

    with pytest.raises(
        provision.UnsafeChange, match=r"DRIFT_LOOKUP: retention: .*workqueue.*limits"
    ):
        await provision.ensure(empty)

    names = [info.config.name for info in await jetstream(empty).streams_info()]
    assert names == [subjects.STREAM_LOOKUP]


async def test_what_an_operator_set_stays(empty: Bus) -> None:
    """A description or a compression is none of our business."""
    await provision.ensure(empty)
    info = await jetstream(empty).stream_info(subjects.STREAM_INVENTORY)
    await jetstream(empty).update_stream(info.config.evolve(description="ours", compression="s2"))
    await provision.ensure(empty)
    info = await jetstream(empty).stream_info(subjects.STREAM_INVENTORY)
    await jetstream(empty).update_stream(info.config.evolve(duplicate_window=60))

    steps = await provision.ensure(empty)

    config = (await jetstream(empty).stream_info(subjects.STREAM_INVENTORY)).config
    assert [step.diff for step in steps if step.diff] == [("duplicate_window: 60.0 -> 120",)]
    assert (config.description, config.compression) == ("ours", "s2")


async def test_the_layout_does_what_it_is_for(empty: Bus) -> None:
    """A question is refused while it is asked; the newest inventory of a host is the only one."""
    await provision.ensure(empty)
    asked = [await empty.publish("drift.v1.lookup.hub.a.b", b"?", ttl_s=60) for _ in range(2)]
    for number in range(3):
        await empty.publish("drift.v1.inventory.site.host", b"%d" % number)

    inventory = await jetstream(empty).stream_info(subjects.STREAM_INVENTORY)

    assert asked == [Stored(1), AlreadyThere()]
    assert (inventory.state.messages, inventory.state.last_seq) == (1, 3)
    for bucket in (subjects.BUCKET_DIGESTS, subjects.BUCKET_TAGS, subjects.BUCKET_REGISTRIES):
        assert await (await empty.bucket(bucket)).get("a.b") is None


async def test_streams_of_before_are_bounded_in_place(empty: Bus) -> None:
    """Streams that had no bound, and discarded otherwise, are brought to the topology unharmed."""
    for thing in declare():
        if thing.kind == "stream":
            config = thing.config | {"max_bytes": -1, "max_msg_size": -1}
            others = {"old": "new", "new": "old"} if thing.name != subjects.STREAM_LOOKUP else {}
            config["discard"] = others.get(config["discard"], config["discard"])
            await jetstream(empty).add_stream(name=thing.name, **config)
    await empty.publish("drift.v1.inventory.site.host", b"1")

    await provision.ensure(empty)

    assert {step.action for step in await provision.ensure(empty)} == {"unchanged"}
    found = await jetstream(empty).streams_info()
    assert {info.config.name: info.config.max_bytes for info in found} == {
        name: mib * 1024 * 1024 for name, mib in STREAM_MIB.items()
    }
    inventory = await jetstream(empty).stream_info(subjects.STREAM_INVENTORY)
    assert (inventory.state.messages, inventory.config.discard) == (1, "new")


async def test_a_consumer_of_before_gives_up_sooner_on_what_a_dead_process_has(empty: Bus) -> None:
    """A message that was delivered under a longer wait comes again after that of now."""
    await provision.ensure(empty)
    where = subjects.STREAM_INVENTORY, subjects.CONSUMER_INGEST
    found = await jetstream(empty).consumer_info(*where)
    await jetstream(empty).add_consumer(where[0], found.config.evolve(ack_wait=60))
    await empty.publish("drift.v1.inventory.site.host", b"1")

    async with nats_client(empty) as client:
        pull = await client.jetstream().pull_subscribe_bind(where[1], where[0])
        await pull.fetch(1)
        (changed,) = [s for s in await provision.ensure(empty) if s.action != "unchanged"]
        [again] = await pull.fetch(1, timeout=30)

    assert changed.diff == (f"ack_wait: 60.0 -> {ACK_WAIT_S}",)
    assert again.metadata.num_delivered == 2


async def test_a_full_stream_refuses_or_lets_the_oldest_go(empty: Bus) -> None:
    """An inventory and a question are refused in words; of all else the oldest gives way."""
    await provision.ensure(empty, stream_mib=dict.fromkeys(STREAM_MIB, 1))
    payload = b"x" * 300_000
    refusing = ("drift.v1.inventory.s.h", "drift.v1.lookup.hub.r.x")
    giving_way = (
        "$KV.drift_digests.r.x",
        "$KV.drift_tags.r.x",
        "$KV.drift_registries.r.x",
        "drift.v1.changed.r.x",
    )

    for prefix in refusing:
        for number in range(3):
            await empty.publish(f"{prefix}{number}", payload)
        with pytest.raises(
            NotPublished, match="exceeded: raise the stream's IMAGEDRIFT_STREAM_MIB"
        ):
            await empty.publish(f"{prefix}3", payload)
    for prefix in giving_way:
        for number in range(5):
            await empty.publish(f"{prefix}{number}", payload)
    for _ in range(5):
        await empty.publish("drift.v1.dead.agent", payload)

    held = {info.config.name: info.state for info in await jetstream(empty).streams_info()}
    assert {name: state.messages for name, state in held.items()} == dict.fromkeys(held, 3)


async def test_a_full_stream_takes_again_once_it_is_larger(empty: Bus) -> None:
    """A publisher that goes on trying is heard as soon as an operator has raised the bound."""
    await provision.ensure(empty, stream_mib={subjects.STREAM_INVENTORY: 1})
    await empty.publish("drift.v1.inventory.s.a", b"x" * 900_000)
    with pytest.raises(NotPublished):
        await empty.publish("drift.v1.inventory.s.b", b"x" * 900_000)

    await provision.ensure(empty, stream_mib={subjects.STREAM_INVENTORY: 2})

    assert await empty.publish("drift.v1.inventory.s.b", b"x" * 900_000) == Stored(2)


async def test_no_bucket_has_limit_markers(empty: Bus) -> None:
    """nats-py reads one as an entry without a value, and could not make the key anew."""
    await provision.ensure(empty)

    configs = [info.config for info in await jetstream(empty).streams_info()]

    assert len(configs) == len(STREAM_MIB)
    assert {config.subject_delete_marker_ttl for config in configs} == {None}


async def test_a_server_with_version_2_replies_is_refused_with_the_remedy() -> None:
    """The flags that we pin are checked by a message that goes round."""
    async with (
        NatsServer.start(config_extra="feature_flags { js_ack_fc_v2: true }") as server,
        connect([server.url], "test") as bus,
    ):
        with pytest.raises(provision.UnpinnedServer, match="js_ack_fc_v2: false"):
            await provision.ensure(bus)


async def test_the_check_leaves_nothing_behind(fresh_nats: NatsServer) -> None:
    """The stream that the check makes is gone after it."""
    async with opened(fresh_nats.url) as (_, connection):
        await provision.check_replies(connection, "DRIFT_CHECK_0")

        assert await connection.js.streams_info() == []
