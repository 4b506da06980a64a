"""When messages are sent: by the database's clock, the file as it is now, and no quiet hours."""

from datetime import timedelta
from pathlib import Path

import pytest

from imagedrift_runtime import clock
from imagedrift_runtime.nats.bus import Bus
from imagedrift_sandbox.nats import NatsServer
from support.decided_fleet import REFERENCES
from support.notifier import Receiver, execute, move, notifier, publish_change, write_routes
from support.operator import Operator
from support.polling import until

AT_ONCE = 'gather = "0s"'
NOBODY = f'{AT_ONCE}\nsite = ["none"]'


def quiet_now() -> str:
    """Write a span of the day that holds this moment."""
    now = clock.now()
    start, end = now - timedelta(hours=2), now + timedelta(hours=2)
    return f'quiet = ["{start:%H:%M}-{end:%H:%M}"]'


async def gathered(dsn: str) -> bool:
    """Tell whether something is gathered."""
    return bool(await Operator(dsn).ask("SELECT FROM ops.routes WHERE gathering > 0"))


@pytest.mark.parametrize("off_by", [timedelta(days=-2), timedelta(days=2)])
async def test_a_notifier_whose_clock_is_wrong_sends_in_time(
    dsn: str,
    fresh_nats: NatsServer,
    connected: Bus,
    receiving: Receiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    off_by: timedelta,
) -> None:
    """Windows, tries and ages are reckoned by the database's clock alone."""
    right = clock.SystemClock.now
    monkeypatch.setattr(clock.SystemClock, "now", lambda own: right(own) + off_by)
    routes = write_routes(tmp_path, receiving.url, ops='gather = "2s"')
    receiving.status = 503
    async with notifier(dsn, fresh_nats.url, routes):
        await move(dsn, connected)
        await until(lambda: receiving.received, what="a first try")
        [row] = await until(
            lambda: Operator(dsn).ask(
                "SELECT created_at - claimed_at AS waited, try_at - now() AS pause, state"
                " FROM notify.messages JOIN notify.claims USING (message_id) WHERE attempts = 1"
                " AND state <> 'sending'"
            ),
            what="the try is noted",
        )

    assert timedelta(seconds=1) < row["waited"] < timedelta(seconds=30)
    assert timedelta() < row["pause"] < timedelta(seconds=31)
    assert row["state"] == "waiting"


async def test_a_route_that_was_a_digest_and_sends_now_sends_what_it_gathered(
    dsn: str, fresh_nats: NatsServer, connected: Bus, receiving: Receiver, tmp_path: Path
) -> None:
    """Times that are changed in the file count for what was noted before."""
    routes = write_routes(tmp_path, receiving.url, ops='digest = "0 8 1 1 *"')
    async with notifier(dsn, fresh_nats.url, routes):
        await move(dsn, connected)
        await until(lambda: gathered(dsn), what="the topic is gathered")
        write_routes(tmp_path, receiving.url, ops=AT_ONCE)
        await until(lambda: receiving.received, what="the message")
        await move(dsn, connected, REFERENCES[1])
        await until(lambda: len(receiving.received) == 2, what="the next message")


async def test_nothing_is_sent_in_quiet_hours_whatever_waits(
    dsn: str, fresh_nats: NatsServer, connected: Bus, receiving: Receiver, tmp_path: Path
) -> None:
    """A try after a failure waits, and so does what was gathered before the hours were named."""
    routes = write_routes(tmp_path, receiving.url, ops=AT_ONCE, chat=AT_ONCE)
    receiving.status = 503
    async with notifier(dsn, fresh_nats.url, routes):
        await move(dsn, connected)
        failing = "SELECT FROM ops.routes WHERE failing > 0 OFFSET 1"
        await until(lambda: Operator(dsn).ask(failing), what="both fail")
        receiving.status = 200
        receiving.received.clear()
        quiet = f"{AT_ONCE}\n{quiet_now()}"
        write_routes(tmp_path, receiving.url, ops=quiet, chat=AT_ONCE, new=NOBODY)
        is_read = "SELECT FROM ops.routes WHERE route = 'new'"
        await until(lambda: Operator(dsn).ask(is_read), what="the file is read")
        await move(dsn, connected, REFERENCES[1])
        await until(lambda: gathered(dsn), what="the quiet route gathers")
        await execute(dsn, "UPDATE notify.messages SET try_at = now() WHERE state = 'waiting'")
        await execute(dsn, "UPDATE notify.claims SET send_at = now() WHERE message_id IS NULL")
        await until(lambda: len(receiving.received) == 2, what="the other route's messages")
        await publish_change(connected)

    assert {each.path.split("/")[1] for each in receiving.received} == {"chat"}
