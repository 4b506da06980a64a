"""`imagedrift-resolver`: wires the resolver and runs it until it is told to stop."""

import asyncio
import gc
import sys
from importlib.metadata import version

from imagedrift_resolver.adapters.desk import Desk
from imagedrift_resolver.adapters.directory import Directory
from imagedrift_resolver.adapters.docker_config import docker_credentials
from imagedrift_resolver.adapters.http import Http
from imagedrift_resolver.adapters.jetstream import Cache, Lanes, States
from imagedrift_resolver.adapters.oci import Registries as Asking
from imagedrift_resolver.adapters.routes import Routes, proxies_of, routes
from imagedrift_resolver.adapters.webhook import Webhook
from imagedrift_resolver.gates import Gates
from imagedrift_resolver.service import Resolver
from imagedrift_resolver.settings import ResolverSettings, check
from imagedrift_runtime import bus, clock, process, pull, registries
from imagedrift_runtime.registries import Registries
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


async def start(settings: ResolverSettings, running: process.Process) -> None:
    """Answer questions until the process is told to stop."""
    (known, reached), _ = both_or_faults(lambda: registries_of(settings), lambda: check(settings))
    http = Http(reached)
    async with bus.connect(
        settings.nats_url,
        NAME,
        credentials=settings.nats_creds,
        ca=settings.nats_ca,
        health=running.health,
    ) as nats:
        gates = Gates(
            known,
            states=States(await nats.bucket(subjects.BUCKET_REGISTRIES)),
            lanes=Lanes(nats, known),
            now=clock.now,
        )
        cache = Cache(await nats.bucket(subjects.BUCKET_DIGESTS), clock.now)
        resolver = Resolver(
            cache=cache,
            sites=Directory(known, docker_credentials(settings)),
            registries=Asking(http, clock.now),
            gates=gates,
            now=clock.now,
        )
        desk = Desk(nats, cache, known, clock.now)
        await nats.serve(
            NAME, version(NAME), ABOUT, "lookup", subjects.RESOLVER_LOOKUP, desk.lookup
        )
        webhook = Webhook(settings.webhook_secret, desk.moved)
        sharing = asyncio.create_task(gates.share())
        try:
            async with webhook.serving(settings.webhook_port, settings.webhook_address):
                running.health.ready("questions")
                await pull_all(nats, known, resolver, running)
        finally:
            sharing.cancel()
            await gates.flush()
            await http.close()


def registries_of(settings: ResolverSettings) -> tuple[Registries, Routes]:
    """Read what is configured for registries, certificates included. Raises `SettingsFault`."""
    known, proxies = both_or_faults(
        lambda: registries.load(settings.registries), lambda: proxies_of(settings)
    )
    return known, routes(known, proxies)


async def pull_all(
    nats: bus.Bus, known: Registries, resolver: Resolver, running: process.Process
) -> None:
    """Pull from every lane; one that fails ends the process, as a lane must not be forgotten."""
    async with asyncio.TaskGroup() as lanes:
        for lane, slots in known.lanes().items():
            lanes.create_task(
                pull.each(
                    nats,
                    subjects.STREAM_LOOKUP,
                    subjects.lane_consumer(lane),
                    resolver.handle,
                    service=NAME,
                    slots=slots,
                    stopping=running.stopping,
                )
            )


if __name__ == "__main__":
    main()
