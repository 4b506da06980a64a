"""`imagedrift-resolver`: wires the resolver and runs it until it is told to stop."""

import asyncio
import gc
import sys
from importlib.metadata import version

from imagedrift_resolver.adapters.jetstream import JetStreamCache, JetStreamStates
from imagedrift_resolver.adapters.names import LookUp, look_up
from imagedrift_resolver.adapters.routes import Routes, proxies_of, routes
from imagedrift_resolver.adapters.webhook import Webhook
from imagedrift_resolver.settings import ResolverSettings, check
from imagedrift_resolver.wiring import Wired
from imagedrift_runtime import process
from imagedrift_runtime.clock import SystemClock
from imagedrift_runtime.nats import bus
from imagedrift_runtime.registries import operator_file
from imagedrift_runtime.registries.operator_file import Registries
from imagedrift_runtime.registries.watched_file import LOOK_EVERY_S, RegistriesFile
from imagedrift_runtime.settings import both_or_faults
from imagedrift_schemas import subjects
from imagedrift_schemas.reference import ImageReference

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
    file, _ = both_or_faults(lambda: file_of(settings), lambda: check(settings))
    clock = SystemClock()
    async with bus.connect(
        settings.nats_url,
        NAME,
        **settings.nats,
        health=running.health,
    ) as nats:
        cache = JetStreamCache(
            await nats.bucket(subjects.BUCKET_DIGESTS),
            await nats.bucket(subjects.BUCKET_TAGS),
            clock.now,
        )
        states = JetStreamStates(await nats.bucket(subjects.BUCKET_REGISTRIES))
        wired = Wired(settings, nats, cache, states, file.made, clock, look_up)

        async def lookup(payload: bytes) -> bytes:
            return await wired.cache_api.lookup(payload)

        async def moved(references: tuple[ImageReference, ...]) -> int:
            return await wired.cache_api.moved(references)

        await nats.serve(NAME, version(NAME), ABOUT, "lookup", subjects.RESOLVER_LOOKUP, lookup)
        webhook = Webhook(settings.webhook_secret, moved)
        async with (
            webhook.serving(settings.webhook_port, settings.webhook_address),
            asyncio.TaskGroup() as answering,
        ):
            running.health.ready("questions")
            while not running.stopping.is_set():
                ending = asyncio.Event()
                answering.create_task(wired.answer(NAME, ending))
                await renewed(file, running, look_every_s)
                ending.set()
                if not running.stopping.is_set():
                    wired = Wired(settings, nats, cache, states, file.made, clock, look_up)


def file_of(settings: ResolverSettings) -> RegistriesFile[tuple[Registries, Routes]]:
    """Read what is configured for registries, certificates included. Raises `SettingsFault`."""
    _, proxies = both_or_faults(
        lambda: operator_file.load(settings.registries), lambda: proxies_of(settings)
    )
    return RegistriesFile(settings.registries, lambda known: (known, routes(known, proxies)))


async def renewed(
    file: RegistriesFile[tuple[Registries, Routes]],
    running: process.Process,
    look_every_s: float,
) -> None:
    """Wait until the file says something new, or the process is told to stop."""
    while not running.stopping.is_set():
        events = [asyncio.ensure_future(e.wait()) for e in (running.stopping, running.reload)]
        await asyncio.wait(events, timeout=look_every_s, return_when=asyncio.FIRST_COMPLETED)
        for event in events:
            event.cancel()
        is_asked = running.reload.is_set()
        running.reload.clear()
        if file.renew(anyway=is_asked):
            return


if __name__ == "__main__":
    main()
