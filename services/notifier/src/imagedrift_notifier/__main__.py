"""`imagedrift-notifier`: wires the notifier and runs it until it is told to stop."""

import sys

from imagedrift_notifier.adapters import database
from imagedrift_notifier.adapters.routes_file import LiveRoutesFile
from imagedrift_notifier.settings import NotifierSettings
from imagedrift_notifier.wiring import NotifierPeriods, NotifierWiring
from imagedrift_runtime import process
from imagedrift_runtime.clock import SystemClock
from imagedrift_runtime.nats import bus
from imagedrift_runtime.process import Process

SERVICE = "imagedrift-notifier"
ABOUT = "imagedrift-notifier: tells people what is due, by chat, mail or webhook."
EVERY = NotifierPeriods()


async def start(settings: NotifierSettings, run: Process, every: NotifierPeriods = EVERY) -> None:
    """Run until asked to stop."""
    routes = LiveRoutesFile(settings.routes)
    nats = bus.connect(settings.nats_url, SERVICE, **settings.nats, health=run.health)
    async with (
        database.open_database(settings.database_url, run.health) as opened,
        nats as connected,
    ):
        await NotifierWiring(run, opened, connected, routes, SystemClock()).serve(every)


def main() -> int:
    """Run the service; the exit code."""
    return process.run(SERVICE, NotifierSettings, start, about=ABOUT, parts=("nats", database.PART))


if __name__ == "__main__":
    sys.exit(main())
