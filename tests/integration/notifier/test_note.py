"""Changed verdicts on their way to claims: what is no message, and a database that is away."""

from pathlib import Path

from imagedrift_notifier.adapters.database import open_database
from imagedrift_notifier.adapters.due_views import DueViews
from imagedrift_notifier.adapters.message_tables import MessageTables
from imagedrift_notifier.core.route import Routes
from imagedrift_notifier.usecases.claiming import Claiming
from imagedrift_notifier.usecases.note import NoteChanges
from imagedrift_runtime.nats import provision
from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.outcomes import Done, Reject, Retry
from imagedrift_sandbox.nats import NatsServer
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Alive
from support.decided_fleet import REFERENCES
from support.nats_client import jetstream
from support.notifier import NOW, Receiver, move, notifier, route, write_routes
from support.operator import Operator
from support.polling import until


def delivered(payload: bytes) -> Delivery:
    """A message as it was delivered."""
    return Delivery("drift.v1.changed.x.y", payload, subjects.STREAM_CHANGED, 1, 1, NOW)


def changed(tag: str = "1.27") -> bytes:
    """A changed verdict."""
    from imagedrift_schemas.v1 import Changed

    return codec.encode(
        Changed(
            registry="docker.io",
            repository="library/nginx",
            tag=tag,
            platform="linux/amd64",
            image_id="x",
            from_verdict="current",
            from_reason="digest_match",
            to_verdict="outdated",
            to_reason="digest_differs",
            changed_at=NOW,
        )
    )


async def test_what_is_no_message_is_refused_and_the_others_are_noted(dsn: str) -> None:
    """A batch with rubbish in it claims what its other messages are about."""
    alive = codec.encode(Alive(site="a", host="b", at=NOW, content="sha256:x"))
    async with open_database(dsn) as database:
        tables = MessageTables(database)
        held = Routes(routes={"ops": route()})
        note = NoteChanges(Claiming(DueViews(database), tables, lambda: held))

        outcomes = await note.handle([delivered(b"{"), delivered(changed()), delivered(alive)])

    assert [type(each) for each in outcomes] == [Reject, Done, Reject]
    [row] = await Operator(dsn).ask("SELECT kind, reference, send_at FROM notify.claims")
    assert (row["kind"], row["reference"]) == ("outdated", "docker.io/library/nginx:1.27")
    assert row["send_at"] is None  # it was outdated before the route was made


async def test_while_the_database_is_away_messages_wait() -> None:
    """No message is acknowledged before it is claimed; rubbish is refused at once."""
    async with open_database("postgresql://nobody@127.0.0.1:1/none") as database:
        held = Routes(routes={"ops": route()})
        claiming = Claiming(DueViews(database), MessageTables(database), lambda: held)
        outcomes = await NoteChanges(claiming).handle([delivered(changed()), delivered(b"{")])

    assert [type(each) for each in outcomes] == [Retry, Reject]


async def test_changes_while_no_notifier_runs_are_told_when_one_does(
    dsn: str, fresh_nats: NatsServer, connected: Bus, receiving: Receiver, tmp_path: Path
) -> None:
    """The consumer is durable."""
    routes = write_routes(tmp_path, receiving.url, ops='gather = "0s"')
    async with notifier(dsn, fresh_nats.url, routes):
        assert receiving.received == []
    await move(dsn, connected)

    async with notifier(dsn, fresh_nats.url, routes):
        await until(lambda: receiving.received, what="the message")

    assert len(receiving.received) == 1


async def test_a_consumer_that_is_deleted_loses_nothing_and_is_used_again_once_it_is_back(
    dsn: str, fresh_nats: NatsServer, connected: Bus, receiving: Receiver, tmp_path: Path
) -> None:
    """The look at all that is due finds what no message brings."""
    routes = write_routes(tmp_path, receiving.url, ops='gather = "0s"')
    async with notifier(dsn, fresh_nats.url, routes):
        await jetstream(connected).delete_consumer(
            subjects.STREAM_CHANGED, subjects.CONSUMER_NOTIFIER
        )
        await move(dsn, connected)
        await until(lambda: receiving.received, what="the message")
        await provision.ensure(connected)
        await move(dsn, connected, REFERENCES[1])
        await until(lambda: len(receiving.received) == 2, what="the next message")

        async def is_taken() -> bool:
            lag = await connected.lag(subjects.STREAM_CHANGED, subjects.CONSUMER_NOTIFIER)
            return lag.pending == lag.in_flight == 0

        await until(is_taken, what="the change is taken")

    assert len(receiving.received) == 2
