"""A running agent on a scripted engine, and what it has said."""

from imagedrift_agent.adapters.engine import Engine
from imagedrift_agent.adapters.state_folder import StateFolder
from imagedrift_agent.core.address import EngineAddress
from imagedrift_agent.core.messages import fingerprint
from imagedrift_runtime.nats import bus
from imagedrift_sandbox.engine import ScriptedEngine, populate
from imagedrift_sandbox.nats import NatsServer
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.compression import decompressed
from imagedrift_schemas.v1 import Inventory
from support.nats_client import jetstream
from support.polling import until

SUBJECT = subjects.inventory("test", "h1")


def source_on(engine: ScriptedEngine) -> Engine:
    """The adapter on the engine."""
    return Engine(lambda: EngineAddress(path=str(engine.path)))


def change(engine: ScriptedEngine, images: int) -> None:
    """Give the engine another number of images, and let it say so."""
    populate(engine, images=images, containers=0)
    engine.emit("image", "pull")


def is_confirmed(memory: StateFolder) -> bool:
    """Tell whether NATS has confirmed the newest inventory."""
    kept = memory.load()
    return kept.newest is not None and kept.confirmed.fingerprint == fingerprint(kept.newest)


async def stored_after(nats: NatsServer, at_least: int) -> tuple[int, Inventory]:
    """Wait for that many inventories; how many were ever stored, and the one that stands."""
    async with bus.connect([nats.url], "test") as connection:

        async def stored() -> int:
            info = await jetstream(connection).stream_info(subjects.STREAM_INVENTORY)
            count = int(info.state.last_seq)
            return count if count >= at_least else 0

        count = await until(stored, f"{at_least} inventories")
        last = await jetstream(connection).get_last_msg(subjects.STREAM_INVENTORY, SUBJECT)
        return count, codec.decode(decompressed(last.data), Inventory)
