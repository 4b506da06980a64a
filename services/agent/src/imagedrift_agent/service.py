"""The agent: take snapshots of the host's images, and report them when they are new.

- `watcher` takes the snapshots; a source that fails leaves the newest inventory standing.
- `reporter` tells NATS; a NATS that is away leaves the newest inventory waiting, and only it.
- `state` is what the two share, and nothing else.
"""

import asyncio

from imagedrift_agent.core.messages import HostProfile
from imagedrift_agent.reporter import ConnectPublisher, Reporter
from imagedrift_agent.state import AgentState, StateStore
from imagedrift_agent.watcher import ImageSource, ReportHealth, Watcher
from imagedrift_runtime.clock import Clock


async def report(
    profile: HostProfile,
    source: ImageSource,
    connect: ConnectPublisher,
    store: StateStore,
    clock: Clock,
    stopping: asyncio.Event,
    *,
    report_health: ReportHealth,
    where: str,
    return_within_s: float,
) -> None:
    """Report the source's images until told to stop.

    `where` names the NATS and the identity that the saved state is of. Hosts spread their return
    to NATS over `return_within_s`.
    """
    state = AgentState(store, where)
    watcher = Watcher(profile, source, state, clock, report_health)
    reporter = Reporter(profile, connect, state, clock, return_within_s)
    async with asyncio.TaskGroup() as group:
        parts = (watcher.follow_events, watcher.take_snapshots, reporter.run)
        tasks = [group.create_task(part()) for part in parts]
        await stopping.wait()
        for task in tasks:
            task.cancel()
