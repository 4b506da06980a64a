"""`imagedrift-resolver`: wires the resolver and runs it until it is told to stop."""

import gc
import sys
from importlib.metadata import version

from imagedrift_runtime.import_guard import without_collecting

with without_collecting():
    from imagedrift_resolver.adapters.host_names import LookUp, look_up
    from imagedrift_resolver.adapters.webhook import Webhook
    from imagedrift_resolver.settings import ResolverSettings, check
    from imagedrift_resolver.wiring import Renewing, open_buckets, registries_file
    from imagedrift_runtime import process
    from imagedrift_runtime.clock import SystemClock
    from imagedrift_runtime.nats import bus
    from imagedrift_runtime.registries.watched_file import LOOK_EVERY_S
    from imagedrift_runtime.settings import both_or_faults
    from imagedrift_schemas import subjects

NAME = "imagedrift-resolver"
ABOUT = "Answers questions about image references by asking their registries."
PARTS = ("nats", "questions")
COLLECT = (50_000, 20, 100)
"""Thresholds of the garbage collector: hardly anything here is cyclic, and looking costs 5 %."""


def main() -> None:
    """Run the resolver; the process exits with its code."""
    gc.set_threshold(*COLLECT)
    sys.exit(process.run(NAME, ResolverSettings, start, about=ABOUT, parts=PARTS))


async def start(
    settings: ResolverSettings,
    running: process.Process,
    look_every_s: float = LOOK_EVERY_S,
    look_up: LookUp = look_up,
) -> None:
    """Answer questions until the process is told to stop."""
    file, _ = both_or_faults(lambda: registries_file(settings), lambda: check(settings))
    clock = SystemClock()
    nats = bus.connect(settings.nats_url, NAME, **settings.nats, health=running.health)
    async with nats as connected:
        buckets = await open_buckets(connected, clock)
        renewing = Renewing(settings, connected, buckets, file, clock, look_up)
        await connected.serve(
            NAME, version(NAME), ABOUT, "lookup", subjects.RESOLVER_LOOKUP, renewing.lookup
        )
        webhook = Webhook(settings.webhook_secret, renewing.ask_again)
        async with webhook.serving(settings.webhook_port, settings.webhook_address):
            running.health.ready("questions")
            await renewing.answer(NAME, running, look_every_s)


if __name__ == "__main__":
    main()
