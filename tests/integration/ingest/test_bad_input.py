"""Bad messages cost themselves: each becomes a dead letter, and the next message is served."""

import msgspec

from imagedrift_sandbox.nats import NatsServer
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import DeadLetter
from support.ingest import NGINX, NOW, Fleet, Operator, answer, image, ingest, inventory
from support.operator import wait_for


async def test_a_bad_inventory_becomes_a_dead_letter_that_an_operator_can_read(
    dsn: str, fresh_nats: NatsServer, agents: Fleet, operator: Operator
) -> None:
    """P9: no JSON, a reference that is none, another's subject; the good one is stored."""
    wrong = inventory("web-2", [image("<none>:<none>")])
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
        letters = await wait_for(
            lambda: operator.ask("SELECT * FROM ops.dead_letters ORDER BY subject OFFSET 2"),
            what="three letters",
        )
        letters = await operator.ask("SELECT * FROM ops.dead_letters ORDER BY subject")

    assert [(letter["reason"], letter["service"]) for letter in letters] == [
        ("malformed", "ingest")
    ] * 3
    errors = [letter["error"] for letter in letters]
    assert "images[0].reference" in errors[1]
    assert "site and host" in errors[2]
    assert letters[0]["payload"] == "{"
    assert {row["host"] for row in await operator.ask("SELECT * FROM ops.hosts")} == {"web-4"}


async def test_an_answer_that_contradicts_itself_is_refused_alone(
    dsn: str, fresh_nats: NatsServer, agents: Fleet, operator: Operator
) -> None:
    """P9: a digest that is none, a reference that is none; the answer after them is stored."""
    good = answer()
    bad_digest = msgspec.structs.replace(
        answer("docker.io/library/bad:1"), outcome=msgspec.structs.replace(good.outcome, digest="x")
    )
    bad_name = msgspec.structs.replace(answer("docker.io/library/Bad:1"))
    await agents.has("web-1", image())
    for said in (bad_digest, bad_name, good):
        await agents.answers(said)

    async with ingest(dsn, fresh_nats.url):
        await operator.sees(NGINX, verdict="current")
        await wait_for(
            lambda: operator.ask("SELECT * FROM ops.dead_letters OFFSET 1"), what="two letters"
        )


async def test_fields_of_a_later_version_are_ignored(
    dsn: str, fresh_nats: NatsServer, agents: Fleet, operator: Operator
) -> None:
    """An older reader understands a newer writer."""
    message = msgspec.json.decode(codec.encode(inventory("web-1", [image()])))
    message["new_field"] = {"a": 1}
    message["images"][0]["new_field"] = 2
    await agents.bus.publish(subjects.inventory("fra1", "web-1"), msgspec.json.encode(message))
    async with ingest(dsn, fresh_nats.url):
        await operator.sees(NGINX, host="web-1")


async def test_a_flood_of_bad_messages_from_one_host_is_one_row(
    dsn: str, fresh_nats: NatsServer, agents: Fleet, operator: Operator
) -> None:
    """P9: however long a host sends what is refused, it costs a letter each time it has doubled."""
    sql = "SELECT * FROM ops.dead_letters WHERE times >= 16"

    async def flooded() -> list[dict[str, object]]:
        for _ in range(20):
            await agents.bus.publish(subjects.inventory("fra1", "web-1"), b"{" + b"x" * 50_000)
        return await operator.ask(sql)

    async with ingest(dsn, fresh_nats.url):
        (row,) = await wait_for(flooded, what="counted")
        await agents.has("web-4", image())
        await operator.sees(NGINX, host="web-4")

    stream = await agents.bus.js.stream_info(subjects.STREAM_DEAD)
    # Two loops read inventories, and the hour may have ended in between.
    assert stream.state.messages <= 40
    assert stream.state.bytes < 400_000
    assert len(str(row["payload"])) == 50_001
    assert len(await operator.ask("SELECT * FROM ops.dead_letters")) <= 2


async def test_a_letter_that_is_delivered_again_is_not_counted_again(
    dsn: str, fresh_nats: NatsServer, agents: Fleet, operator: Operator
) -> None:
    """P5: the stream of letters read twice from its start gives the same rows."""
    subject = "drift.v1.dead.agent"
    for times in (1, 1, 2):
        letter = DeadLetter(service="agent", subject="s" * 5000, reason="r", received_at=NOW)
        letter = msgspec.structs.replace(letter, times=times, payload=b"x" * times)
        await agents.bus.publish(subject, codec.encode(letter))
    sql = "SELECT times, length(payload) AS size, length(subject) AS subject FROM ops.dead_letters"

    async with ingest(dsn, fresh_nats.url):
        (before,) = await wait_for(lambda: operator.ask(f"{sql} WHERE times = 4"), what="added up")
        await agents.bus.reset_consumer(subjects.STREAM_DEAD, subjects.CONSUMER_INGEST)
        await agents.bus.publish(subject, codec.encode(msgspec.structs.replace(letter, reason="q")))
        await wait_for(lambda: operator.ask(f"{sql} WHERE reason = 'q'"), what="the next one")
        (after,) = await operator.ask(f"{sql} WHERE reason = 'r'")

    assert before == after == {"times": 4, "size": 1, "subject": 1000}
