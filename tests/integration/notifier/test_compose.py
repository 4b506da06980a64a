"""Claims become messages when their time comes: gathered, as a digest, or dropped."""

from pathlib import Path

import asyncpg

from imagedrift_runtime.nats.bus import Bus
from imagedrift_sandbox.nats import NatsServer
from support.decided_fleet import REFERENCES, Decided, decide
from support.notifier import NGINX, Receiver, execute, move, notifier, write_routes
from support.operator import Operator
from support.polling import until

STORM = """
WITH r AS (
  INSERT INTO fleet.image_refs (reference, registry, repository, tag, policy)
  SELECT 'docker.io/storm/app' || n || ':1', 'docker.io', 'storm/app' || n, '1', 'ask'
  FROM generate_series(1, 1100) AS n
  RETURNING ref_id
), a AS (
  INSERT INTO fleet.answers (ref_id, remote_digest, remote_since, checked_at, attempted_at)
  SELECT ref_id, 'sha256:' || repeat('ab', 32), now(), now(), now() FROM r
), c AS (
  INSERT INTO fleet.comparisons
    (ref_id, image_id, repo_digests, platform, verdict, reason, verdict_since)
  SELECT ref_id, 'sha256:' || repeat('cd', 32), ARRAY['sha256:' || repeat('ef', 32)],
    'linux/amd64', 'outdated', 'digest_differs', now()
  FROM r
  RETURNING comparison_id
)
INSERT INTO fleet.host_images (host_id, comparison_id, since)
SELECT (SELECT min(host_id) FROM fleet.hosts), comparison_id, now() FROM c
"""
THE_TIME_HAS_COME = "UPDATE notify.claims SET send_at = now() WHERE send_at IS NOT NULL"


async def claimed(dsn: str, topics: int) -> None:
    """Wait until so many topics are gathered."""
    sql = "SELECT FROM ops.routes WHERE gathering = $1"
    await until(lambda: Operator(dsn).ask(sql, topics), what=f"{topics} topics are gathered")


async def test_a_digest_is_one_message_of_all_that_became_due(
    dsn: str, fresh_nats: NatsServer, connected: Bus, receiving: Receiver, tmp_path: Path
) -> None:
    """Until its time comes topics are gathered; then they are one message."""
    routes = write_routes(tmp_path, receiving.url, weekly='digest = "0 8 1 1 *"')
    async with notifier(dsn, fresh_nats.url, routes):
        for reference in REFERENCES:
            await move(dsn, connected, reference)
        await claimed(dsn, 5)
        assert receiving.received == []
        await execute(dsn, THE_TIME_HAS_COME)
        await until(lambda: receiving.received, what="the digest")

    [message] = receiving.received
    assert {item["reference"] for item in message.items} == set(REFERENCES)
    assert message.read["data"]["title"] == "5 images to update"


async def test_what_is_not_due_any_more_is_not_told_and_may_be_told_later(
    dsn: str, fresh_nats: NatsServer, connected: Bus, receiving: Receiver, tmp_path: Path
) -> None:
    """An image that is excused while its message waits is dropped; when it is due again, told."""
    routes = write_routes(tmp_path, receiving.url, ops='gather = "1h"')
    async with notifier(dsn, fresh_nats.url, routes):
        await move(dsn, connected)
        await claimed(dsn, 1)
        connection = await asyncpg.connect(dsn)
        excuse = await decide(connection, Decided(NGINX, "ignore"))
        await execute(dsn, THE_TIME_HAS_COME)
        await claimed(dsn, 0)
        assert receiving.received == []
        await connection.execute("SELECT ops.undo($1, 'over')", excuse)
        await connection.close()
        await claimed(dsn, 1)
        await execute(dsn, THE_TIME_HAS_COME)
        await until(lambda: receiving.received, what="the message")

    assert [item["reference"] for item in receiving.received[0].items] == [NGINX]


async def test_what_comes_within_a_window_is_sent_with_the_first(
    dsn: str, fresh_nats: NatsServer, connected: Bus, receiving: Receiver, tmp_path: Path
) -> None:
    """The window begins with the first topic, so that a message never waits longer than it."""
    routes = write_routes(tmp_path, receiving.url, ops='gather = "1h"')
    async with notifier(dsn, fresh_nats.url, routes):
        await move(dsn, connected)
        await claimed(dsn, 1)
        await move(dsn, connected, REFERENCES[1])
        await claimed(dsn, 2)
        times = await Operator(dsn).ask(
            "SELECT DISTINCT send_at FROM notify.claims WHERE send_at IS NOT NULL"
        )
    assert len(times) == 1


async def test_a_storm_is_one_message(
    dsn: str, fresh_nats: NatsServer, connected: Bus, receiving: Receiver, tmp_path: Path
) -> None:
    """More than a thousand images that become due in one window are one message."""
    await execute(dsn, STORM)
    routes = write_routes(tmp_path, receiving.url, ops='gather = "1h"\nbacklog = true')
    async with notifier(dsn, fresh_nats.url, routes):
        await claimed(dsn, 1105)
        await execute(dsn, THE_TIME_HAS_COME)
        await until(lambda: receiving.received, what="the message", within_s=60)
        sent = await Operator(dsn).ask("SELECT topics FROM ops.messages")

    assert receiving.received[0].read["data"]["title"] == "1,105 images to update"
    assert [row["topics"] for row in sent] == [1105]
