"""`imagedrift-resolver`: wires the resolver and runs it until it is told to stop."""

import asyncio
import ssl
import sys
from collections.abc import Callable

import httpx

from imagedrift_resolver.adapters.directory import Directory, api_of
from imagedrift_resolver.adapters.docker_config import DockerCredentials
from imagedrift_resolver.adapters.http import Http
from imagedrift_resolver.adapters.jetstream import Cache, Lanes, States
from imagedrift_resolver.adapters.oci import Registries as Asking
from imagedrift_resolver.gates import Gates
from imagedrift_resolver.service import Resolver
from imagedrift_resolver.settings import ResolverSettings
from imagedrift_runtime import bus, clock, process, pull, registries
from imagedrift_runtime.registries import Registries
from imagedrift_schemas import subjects

NAME = "imagedrift-resolver"


def main() -> None:
    """Run the resolver; the process exits with its code."""
    about = "Answers questions about image references by asking their registries."
    sys.exit(process.run(NAME, ResolverSettings, start, about=about, parts=("nats",)))


async def start(settings: ResolverSettings, running: process.Process) -> None:
    """Answer questions until the process is told to stop."""
    known = registries.load(settings.registries)
    http = Http(trust(known))
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
        resolver = Resolver(
            cache=Cache(await nats.bucket(subjects.BUCKET_DIGESTS)),
            sites=Directory(known, DockerCredentials(settings.docker_folder)),
            registries=Asking(http, clock.now),
            gates=gates,
            now=clock.now,
        )
        try:
            await serve(nats, known, resolver, running)
        finally:
            await gates.flush()
            await http.close()


async def serve(
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


def trust(known: Registries) -> Callable[[str], ssl.SSLContext]:
    """Return what tells which certificates a server may show: ours where configured."""
    public = httpx.create_ssl_context()
    own = {
        api_of(registry, entry): ssl.create_default_context(cafile=entry.ca)
        for registry, entry in known.named.items()
        if entry.ca
    }
    return lambda authority: own.get(authority, public)


if __name__ == "__main__":
    main()
