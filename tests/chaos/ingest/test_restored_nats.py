"""Streams that begin anew, or are taken back to an earlier moment, under a running ingest.

About order, which is the same with every database.
"""

from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from imagedrift_ingest.adapters.jetstream.streams import reset_consumers
from imagedrift_runtime.clock import now
from imagedrift_runtime.nats import provision
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.postgres import PostgresServer
from imagedrift_schemas import subjects
from support.ingest import NGINX, Fleet, Operator, answer, digest, image, ingest
from support.nats_backup import back_up, restore
from support.nats_client import jetstream
from support.polling import until
from support.postgres import NEWEST

pytestmark = pytest.mark.parametrize("model", [NEWEST], indirect=True)

STREAMS = (
    subjects.STREAM_INVENTORY,
    f"KV_{subjects.BUCKET_DIGESTS}",
    f"KV_{subjects.BUCKET_REGISTRIES}",
)


async def make_anew(agents: Fleet) -> Callable[[], Awaitable[None]]:
    """Delete the streams and make them at once; everything in them is lost."""

    async def again() -> None:
        for stream in STREAMS:
            await jetstream(agents.bus).delete_stream(stream)
        await provision.ensure(agents.bus)

    return again


async def restore_backup(agents: Fleet) -> Callable[[], Awaitable[None]]:
    """Back the streams up now, and restore the backup later."""
    backups = [await back_up(agents.bus, stream) for stream in STREAMS]

    async def again() -> None:
        for backup in backups:
            await restore(agents.bus, backup)

    return again


@pytest.mark.parametrize("way", [make_anew, restore_backup])
async def test_what_is_said_after_a_stream_went_back_counts(
    postgres: PostgresServer,
    fresh_nats: NatsServer,
    agents: Fleet,
    operator: Operator,
    way: Callable[[Fleet], Awaitable[Callable[[], Awaitable[None]]]],
) -> None:
    """P5: a message with a lower sequence that was stored later is newer."""
    async with ingest(postgres.dsn(), fresh_nats.url):
        await agents.has("h", image(version=1))
        await agents.answers(answer(version=1))
        await operator.sees(NGINX, host="h", verdict="current")
        undo = await way(agents)
        for number in range(10):
            await agents.has(f"other-{number}", image(version=2))
            await agents.answers(answer(version=2 + number))
        await agents.has("h", image(version=2))
        await operator.sees(NGINX, host="h", image_id=image(version=2).image_id)
        await operator.sees(NGINX, host="h", remote_digest=digest((NGINX, 11)))

        await undo()
        await agents.has("h", image(version=3))
        await agents.answers(answer(version=3))
        await operator.sees(
            NGINX,
            host="h",
            image_id=image(version=3).image_id,
            remote_digest=digest((NGINX, 3)),
            verdict="current",
        )
        # The next ones are of the same life.
        await agents.has("h", image(version=4))
        await agents.answers(answer(version=4))
        await operator.sees(
            NGINX,
            host="h",
            image_id=image(version=4).image_id,
            remote_digest=digest((NGINX, 4)),
            verdict="current",
        )


async def test_a_backup_that_is_older_than_the_database_replaces_nothing(
    postgres: PostgresServer, fresh_nats: NatsServer, agents: Fleet, operator: Operator
) -> None:
    """A restored stream that is read from its start takes no host and no tag back."""
    async with ingest(postgres.dsn(), fresh_nats.url):
        await agents.has("h", image(version=1))
        await agents.answers(answer(version=1, checked_at=now()))
        await operator.sees(NGINX, verdict="current", remote_digest=digest((NGINX, 1)))
        again = await restore_backup(agents)
        await agents.has("h", image(version=2))
        await agents.answers(answer(version=2, checked_at=now()))
        await operator.sees(NGINX, verdict="current", remote_digest=digest((NGINX, 2)))
    await again()
    await reset_consumers(agents.bus)

    async with ingest(postgres.dsn(), fresh_nats.url):
        for stream in STREAMS:
            await until(partial(is_read, agents, stream), what=f"{stream} is read")
        [row] = await operator.ask("SELECT remote_digest, local_digests FROM ops.comparisons")
    assert row["remote_digest"] == digest((NGINX, 2))
    assert row["local_digests"] == [*image(version=2).repo_digests]


async def is_read(agents: Fleet, stream: str) -> bool:
    """Tell whether ingest has read all of a stream."""
    lag = await agents.bus.lag(stream, subjects.CONSUMER_INGEST)
    return not lag.pending and not lag.in_flight
