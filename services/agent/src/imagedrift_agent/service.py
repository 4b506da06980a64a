"""The agent: look at what the host has, and say it when it is new.

Looking and speaking share the ledger and nothing else. A source that fails leaves the newest
inventory standing; a NATS that is away leaves it waiting, and only it.
"""

import asyncio

from imagedrift_agent.core.statement import About
from imagedrift_agent.ledger import Ledger
from imagedrift_agent.looking import Watcher
from imagedrift_agent.ports import Memory, Source, World
from imagedrift_agent.speaking import Connect, Speaker


async def report(
    about: About,
    source: Source,
    connect: Connect,
    memory: Memory,
    world: World,
    stopping: asyncio.Event,
    *,
    where: str = "",
    return_within_s: float = 60.0,
) -> None:
    """Report what the source has until told to stop."""
    ledger = Ledger(memory, where)
    watcher = Watcher(about, source, ledger, world)
    speaker = Speaker(about, connect, ledger, world, return_within_s)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(part()) for part in (watcher.follow, watcher.look, speaker.speak)
        ]
        await stopping.wait()
        for task in tasks:
            task.cancel()
