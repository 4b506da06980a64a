"""The agent: look at what the host has, and say it when it is new.

Looking and speaking share the ledger and nothing else. A source that fails leaves the newest
inventory standing; a NATS that is away leaves it waiting, and only it.
"""

import asyncio

from imagedrift_agent.core.messages import HostProfile
from imagedrift_agent.ports import Environment, Source, StateStore
from imagedrift_agent.reporter import Connect, Reporter
from imagedrift_agent.state import AgentState
from imagedrift_agent.watcher import Watcher


async def report(
    about: HostProfile,
    source: Source,
    connect: Connect,
    memory: StateStore,
    world: Environment,
    stopping: asyncio.Event,
    *,
    where: str = "",
    return_within_s: float = 60.0,
) -> None:
    """Report what the source has until told to stop."""
    ledger = AgentState(memory, where)
    watcher = Watcher(about, source, ledger, world)
    speaker = Reporter(about, connect, ledger, world, return_within_s)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(part()) for part in (watcher.follow, watcher.look, speaker.speak)
        ]
        await stopping.wait()
        for task in tasks:
            task.cancel()
