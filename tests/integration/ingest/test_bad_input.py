"""Bad messages cost themselves: each becomes a dead letter, and the next message is served."""

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from imagedrift_agent.adapters.jetstream import JetStreamPublisher
from imagedrift_sandbox.nats import NatsServer
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.compression import compressed
from imagedrift_schemas.constraints import MOST_DIGESTS
from imagedrift_schemas.v1 import Alive, DeadLetter, Found, Limited, RegistryState
from support.ingest import (
    NGINX,
    NOW,
    Fleet,
    Operator,
    answer,
    digest,
    fleet,
    image,
    ingest,
    inventory,
)
from support.nats_client import jetstream
from support.polling import until


async def test_a_bad_inventory_becomes_a_dead_letter_that_an_operator_can_read(
    dsn: str, fresh_nats: NatsServer, agents: Fleet, operator: Operator
) -> None:
    """P9: a bad inventory becomes a dead letter, and the next one is stored."""
    wrong = inventory("web-2", [image()], content="md5:1")
    foreign = inventory("web-9", [image()])
    for host, payload in (
        ("web-1", b"{"),
        ("web-2", codec.encode(wrong)),
        ("web-3", codec.encode(foreign)),
    ):
        await agents.bus.publish(subjects.inventory("fra1", host), payload)
    await agents.has("web-4", image())

    async with ingest(dsn, fresh_nats.url):
        await operator.sees(NGINX, host="web-4")
        letters = await until(
            lambda: operator.ask("SELECT * FROM ops.dead_letters ORDER BY subject OFFSET 2"),
            what="three letters",
        )
        letters = await operator.ask("SELECT * FROM ops.dead_letters ORDER BY subject")

    assert [(letter["reason"], letter["service"]) for letter in letters] == [
        ("malformed", "ingest")
    ] * 3
    errors = [letter["error"] for letter in letters]
    assert "content" in errors[1]
    assert "site and host" in errors[2]
    assert letters[0]["payload"] == "{"
    assert {row["host"] for row in await operator.ask("SELECT * FROM ops.hosts")} == {"web-4"}


async def test_an_image_that_cannot_be_stored_costs_not_even_its_host(
    dsn: str, fresh_nats: NatsServer, agents: Fleet, operator: Operator
) -> None:
    """P9: an image that cannot be stored is counted and named, and the others are stored."""
    await agents.has("web-1", image("<none>:<none>"), image(), image("r.io/a:1", image_id="x"))

    async with ingest(dsn, fresh_nats.url):
        await operator.sees(NGINX, host="web-1")
        [letter] = await until(
            lambda: operator.ask("SELECT * FROM ops.dead_letters"), what="a letter"
        )

    [host] = await operator.ask("SELECT images, skipped FROM ops.hosts")
    assert (host["images"], host["skipped"]) == (1, {"refused": 2})
    assert letter["reason"] == "images refused"
    assert "images[0].reference" in letter["error"]
    assert "images[2].image_id" in letter["error"]


async def test_an_image_with_a_thousand_digests_is_judged_and_one_with_more_is_left_out(
    dsn: str, fresh_nats: NatsServer, agents: Fleet, operator: Operator
) -> None:
    """An image with a thousand digests is compared, and one with more is left out."""
    many = tuple(digest(("many", n)) for n in range(MOST_DIGESTS + 1))
    last = Found(digest=sorted(many[:-1])[-1])
    await agents.has("web-1", image(repo_digests=many[:-1]), image("r.io/a:1", repo_digests=many))
    await agents.answers(answer(outcome=last, last_digest=last.digest))

    async with ingest(dsn, fresh_nats.url):
        await operator.sees(NGINX, host="web-1", verdict="current")
    [host] = await operator.ask("SELECT images, skipped FROM ops.hosts")
    assert (host["images"], host["skipped"]) == (1, {"refused": 1})


async def test_an_answer_that_contradicts_itself_is_refused_alone(
    dsn: str, fresh_nats: NatsServer, agents: Fleet, operator: Operator
) -> None:
    """P9: a malformed answer is refused, and the next one is stored."""
    good = answer()
    bad_digest = msgspec.structs.replace(
        answer("docker.io/library/bad:1"), outcome=msgspec.structs.replace(good.outcome, digest="x")
    )
    bad_name = msgspec.structs.replace(answer("docker.io/library/Bad:1"))
    await agents.has("web-1", image())
    for each in (bad_digest, bad_name, good):
        await agents.answers(each)

    async with ingest(dsn, fresh_nats.url):
        await operator.sees(NGINX, verdict="current")
        await until(
            lambda: operator.ask("SELECT * FROM ops.dead_letters OFFSET 1"), what="two letters"
        )


async def test_fields_of_a_later_version_are_ignored(
    dsn: str, fresh_nats: NatsServer, agents: Fleet, operator: Operator
) -> None:
    """Unknown fields of a later version are ignored."""
    message = msgspec.json.decode(codec.encode(inventory("web-1", [image()])))
    message["new_field"] = {"a": 1}
    message["images"][0]["new_field"] = 2
    await agents.bus.publish(subjects.inventory("fra1", "web-1"), msgspec.json.encode(message))
    async with ingest(dsn, fresh_nats.url):
        await operator.sees(NGINX, host="web-1")


async def test_a_refused_heartbeat_leaves_a_letter_and_costs_no_other(
    dsn: str, fresh_nats: NatsServer, agents: Fleet, operator: Operator
) -> None:
    """A thousand wrong heartbeats of one host make one dead letter, and delay no other's."""
    await agents.has("web-0", image())
    async with ingest(dsn, fresh_nats.url):
        await operator.sees(NGINX, host="web-0")
        for _ in range(1000):
            await agents.bus.say(subjects.alive("fra1", "web-1"), b"{")
        odd = Alive(site="fra1", host="WEB", at=NOW, content="")
        await agents.bus.say("drift.v1.alive.fra1.WEB", codec.encode(odd))
        await agents.lives("web-2")
        await until(lambda: operator.ask("SELECT * FROM ops.hosts OFFSET 1"), what="web-2 lives")
        [letter] = await until(
            lambda: operator.ask("SELECT * FROM ops.dead_letters"), what="the letter"
        )

    assert (letter["subject"], letter["reason"]) == ("drift.v1.alive.fra1.web-1", "malformed")


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-12))], ids=["utc", "west"])
async def test_moments_that_cannot_be_are_not_believed(
    dsn: str, fresh_nats: NatsServer, agents: Fleet, operator: Operator, zone: timezone
) -> None:
    """Impossible times of images, answers and limits are not stored."""
    last = datetime(9999, 12, 31, 23, 59, 59, tzinfo=zone)
    first = datetime(1, 1, 1, tzinfo=timezone(-zone.utcoffset(None)))
    await agents.has("web-1", image(created_at=first), image("r.io/a:1", created_at=last))
    await agents.answers(answer(checked_at=last, last_found_at=first))
    await agents.answers(
        answer("r.io/a:1", checked_at=first, outcome=Limited(until=last), last_found_at=last)
    )
    bucket = await agents.bus.bucket(subjects.BUCKET_REGISTRIES)
    limit = RegistryState(
        registry="r.io", observed_at=last, blocked_until=last, rate_reset_at=first
    )
    await bucket.put(subjects.registry_key("r.io", "anonymous"), codec.encode(limit))

    async with ingest(dsn, fresh_nats.url):
        current = await operator.sees(NGINX, verdict="current")
        limited = await operator.sees("r.io/a:1", reason="limited")
        [registry] = await until(
            lambda: operator.ask("SELECT * FROM ops.registries"), what="the limit is stored"
        )

    at = datetime.now(UTC)  # noqa: TID251
    for row in (current, limited):
        assert row["created_at"] is None
        assert row["checked_at"] <= at
        assert row["next_check_at"] <= at + timedelta(days=2)
    assert registry["blocked_until"] <= at + timedelta(days=1)
    assert registry["observed_at"] <= at
    assert registry["rate_reset_at"] is None
    assert await operator.ask("SELECT * FROM ops.dead_letters") == []


async def test_a_host_with_twenty_thousand_images_is_stored_and_a_bomb_is_not(
    dsn: str, operator: Operator
) -> None:
    """A compressed inventory of 20,000 images is stored, and a compression bomb is refused."""
    images = [image(f"r.io/app{n}:1", containers=(f"app-{n}",), running=1) for n in range(20_000)]
    bomb = compressed(codec.encode(inventory("web-2", [])) + b" " * 9_000_000)
    with NatsServer.start_sync(config_extra="max_payload: 4MB") as nats:
        async with fleet(nats.url) as agents, ingest(dsn, nats.url):
            message = await JetStreamPublisher(agents.bus).publish(inventory("web-1", images))
            await agents.bus.publish(subjects.inventory("fra1", "web-2"), bomb)
            await operator.sees("r.io/app19999:1", host="web-1", running=1)
            [letter] = await until(
                lambda: operator.ask("SELECT * FROM ops.dead_letters"), what="the letter"
            )

    [host] = await operator.ask("SELECT images, skipped FROM ops.hosts")
    assert (host["images"], host["skipped"], len(message.images)) == (20_000, {}, 20_000)
    assert letter["error"].startswith("gzip: ")


async def test_a_flood_of_bad_messages_from_one_host_is_one_row(
    dsn: str, fresh_nats: NatsServer, agents: Fleet, operator: Operator
) -> None:
    """P9: a flood of bad messages of one host is one row, with a dead letter per doubling."""
    sql = "SELECT * FROM ops.dead_letters WHERE times >= 128"

    async def flooded() -> list[dict[str, object]]:
        for _ in range(50):
            await agents.bus.publish(subjects.inventory("fra1", "web-1"), b"{" + b"x" * 50_000)
        return await operator.ask(sql)

    async with ingest(dsn, fresh_nats.url):
        (row,) = await until(flooded, what="counted")
        await agents.has("web-4", image())
        await operator.sees(NGINX, host="web-4")

    stream = await jetstream(agents.bus).stream_info(subjects.STREAM_DEAD)
    # The loops count together; the hour may have ended in between.
    assert stream.state.messages <= 20
    assert stream.state.bytes < 400_000
    assert len(str(row["payload"])) == 50_001
    assert len(await operator.ask("SELECT * FROM ops.dead_letters")) <= 2


async def test_a_letter_that_is_delivered_again_is_not_counted_again(
    dsn: str, fresh_nats: NatsServer, agents: Fleet, operator: Operator
) -> None:
    """P5: a dead letter that is delivered twice counts once."""
    subject = "drift.v1.dead.agent"
    for times in (1, 1, 2):
        letter = DeadLetter(service="agent", subject="s" * 5000, reason="r", received_at=NOW)
        letter = msgspec.structs.replace(letter, times=times, payload=b"x" * times)
        await agents.bus.publish(subject, codec.encode(letter))
    sql = "SELECT times, length(payload) AS size, length(subject) AS subject FROM ops.dead_letters"

    async with ingest(dsn, fresh_nats.url):
        (before,) = await until(lambda: operator.ask(f"{sql} WHERE times = 4"), what="added up")
        await agents.bus.reset_consumer(subjects.STREAM_DEAD, subjects.CONSUMER_INGEST)
        await agents.bus.publish(subject, codec.encode(msgspec.structs.replace(letter, reason="q")))
        await until(lambda: operator.ask(f"{sql} WHERE reason = 'q'"), what="the next one")
        (after,) = await operator.ask(f"{sql} WHERE reason = 'r'")

    assert before == after == {"times": 4, "size": 1, "subject": 999}
