"""`imagedrift-dashboard`: wires the pages and serves them until it is told to stop."""

import asyncio
import sys

from imagedrift_dashboard.adapters import changes, database, http_server, web
from imagedrift_dashboard.adapters.changes import ChangeFeed
from imagedrift_dashboard.settings import DashboardSettings
from imagedrift_runtime import process
from imagedrift_runtime.clock import SystemClock
from imagedrift_runtime.process import Process

SERVICE = "imagedrift-dashboard"
ABOUT = "imagedrift-dashboard: the fleet on web pages, read-only."
PART = "pages"


async def start(settings: DashboardSettings, run: Process) -> None:
    """Serve until asked to stop."""
    rules, feed, stopping = settings.access, ChangeFeed(), run.stopping
    with http_server.listening_on(settings.address, settings.port) as listening:
        async with database.open_reader(settings.database_url) as reader:
            application = web.application(reader, feed, rules, SystemClock())
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(feed.close_at(stopping))
                hearing = tasks.create_task(
                    changes.listen(feed, settings.nats_url, settings.nats, stopping)
                )
                run.health.ready(PART)
                await http_server.serve(application, listening, stopping)
                hearing.cancel()


def main() -> int:
    """Run the service; the exit code."""
    return process.run(SERVICE, DashboardSettings, start, about=ABOUT, parts=(PART,))


if __name__ == "__main__":
    sys.exit(main())
