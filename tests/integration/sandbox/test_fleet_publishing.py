"""A simulated fleet's messages are on NATS when publishing them returns."""

from datetime import UTC, datetime

from imagedrift_runtime.nats import bus, provision
from imagedrift_sandbox.fleet import InventedFleet, publish
from imagedrift_sandbox.nats import NatsServer
from imagedrift_schemas import subjects
from support.nats_client import jetstream

AT = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
FLEET = InventedFleet(hosts=400, images=10)


async def test_every_host_is_in_the_stream(fresh_nats: NatsServer) -> None:
    """Each host's inventory is stored as the fleet has it, and progress hears of each."""
    heard = 0

    def progress() -> None:
        nonlocal heard
        heard += 1

    async with bus.connect([fresh_nats.url], "test") as connection:
        await provision.ensure(connection)
        messages = (FLEET.inventory(number, AT) for number in range(FLEET.hosts))
        await publish(connection, messages, progress)
        info = await jetstream(connection).stream_info(subjects.STREAM_INVENTORY)
        subject, payload = FLEET.inventory(399, AT)
        last = await jetstream(connection).get_last_msg(subjects.STREAM_INVENTORY, subject)

    assert info.state.messages == heard == FLEET.hosts
    assert last.data == payload
