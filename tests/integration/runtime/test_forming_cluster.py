"""A cluster that is just forming is brought to the topology all the same."""

from typing import Any

import pytest

from imagedrift_runtime.nats import provision
from imagedrift_runtime.nats.bus import connect
from imagedrift_runtime.nats.connection import Connection
from imagedrift_runtime.nats.errors import NoBus
from imagedrift_runtime.nats.nats_py import nats
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.nats_cluster import NatsCluster
from support.nats_bus import opened

ROUNDS = 3


async def test_a_cluster_is_prepared_right_after_it_started() -> None:
    """Streams that were just created may have no leader yet, and then nobody answers for them."""
    for _ in range(ROUNDS):
        async with NatsCluster.start(3) as cluster, connect(cluster.urls, "test") as bus:
            first = await provision.ensure(bus, replicas=3)
            second = await provision.ensure(bus, replicas=3)
            assert {step.action for step in first} == {"created"}
            assert {step.action for step in second} == {"unchanged"}


@pytest.mark.parametrize(
    "failure",
    [
        TimeoutError(),
        nats.js.errors.ServiceUnavailableError(code=503, err_code=10008),
        nats.js.errors.ServiceUnavailableError(),
        nats.js.errors.ServerError(code=500, err_code=provision.NO_PEERS),
        nats.js.errors.NotFoundError(code=404, err_code=provision.NO_STREAM),
        nats.errors.NoRespondersError(),
    ],
    ids=["silence", "no leader", "no code", "no peers", "not heard of", "nobody"],
)
async def test_a_call_that_nobody_was_ready_for_is_made_again(
    fresh_nats: NatsServer, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    """Each way in which a forming cluster refuses passes by itself."""
    async with opened(fresh_nats.url) as (bus, connection):
        calls = _failing_once(connection, monkeypatch, failure)
        steps = await provision.ensure(bus)
    assert {step.action for step in steps} == {"created"}
    assert calls["failed"] == 1


@pytest.mark.parametrize("is_done", [False, True], ids=["the call is lost", "its reply is lost"])
async def test_a_check_whose_end_was_not_heard_leaves_nothing_behind(
    fresh_nats: NatsServer, monkeypatch: pytest.MonkeyPatch, is_done: bool
) -> None:
    """The stream of the trial is removed once the servers answer, whichever try did it."""
    async with opened(fresh_nats.url) as (bus, connection):
        remove, failures = connection.js.delete_stream, [TimeoutError()]

        async def delete_stream(name: str) -> Any:
            if failures and not is_done:
                raise failures.pop()
            done = await remove(name)
            if failures:
                raise failures.pop()
            return done

        monkeypatch.setattr(connection.js, "delete_stream", delete_stream)
        await provision.ensure(bus)
        names = [info.config.name for info in await connection.js.streams_info()]

    assert failures == []
    assert [name for name in names if "CHECK" in name] == []


async def test_a_server_that_cannot_do_it_is_told_in_words(fresh_nats: NatsServer) -> None:
    """One server cannot keep three copies, now or later: that is said at once."""
    async with connect([fresh_nats.url], "test") as bus:
        with pytest.raises(NoBus, match="replicas > 1 not supported in non-clustered mode"):
            await provision.ensure(bus, replicas=3)


def _failing_once(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> dict[str, int]:
    """Let the first stream that is created fail."""
    create, calls = connection.js.add_stream, {"failed": 0}

    async def add_stream(*arguments: Any, **options: Any) -> Any:
        if not calls["failed"]:
            calls["failed"] += 1
            raise failure
        return await create(*arguments, **options)

    monkeypatch.setattr(connection.js, "add_stream", add_stream)
    return calls
