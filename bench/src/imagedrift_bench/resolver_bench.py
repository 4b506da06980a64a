"""The servers of the resolver's benchmarks: NATS, a registry, resolvers, and a client.

The registry and each resolver are processes, as in a fleet. The
registry's own counters are the truth about requests; the shared cache is the truth about answers.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path

from imagedrift_runtime.clock import now
from imagedrift_runtime.nats import bus, provision
from imagedrift_runtime.nats.results import Stored
from imagedrift_runtime.registries import operator_file
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.processes import ServiceProcess
from imagedrift_sandbox.registry.control import SyntheticImage
from imagedrift_sandbox.registry.process import RegistryProcess
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Answer, Resolve

AT_ONCE = 64
POLL_S = 0.02
WITHIN_S = 120.0


class ResolverBench:
    """Running servers, and the questions and answers on them."""

    def __init__(
        self, home: Path, nats: NatsServer, registry: RegistryProcess, link: bus.Bus, toml: str
    ) -> None:
        self.home = home
        self.nats = nats
        self.registry = registry
        self.bus = link
        self.resolvers: list[ServiceProcess] = []
        self._lanes = operator_file.parse(toml)
        self._toml = toml

    @classmethod
    @asynccontextmanager
    async def open(cls, home: Path, **keys: int) -> AsyncIterator["ResolverBench"]:
        """Start NATS and the registry; `keys` configure the registry in `registries.toml`."""
        async with AsyncExitStack() as stack:
            nats = await stack.enter_async_context(NatsServer.start(home / "nats"))
            registry = await stack.enter_async_context(RegistryProcess.start())
            lines = [f'[registry."{registry.host}"]', 'scheme = "http"']
            toml = "\n".join([*lines, *(f"{key} = {value}" for key, value in keys.items())])
            (home / "registries.toml").write_text(toml)
            link = await stack.enter_async_context(bus.connect([nats.url], "imagedrift-bench"))
            bench = cls(home, nats, registry, link, toml)
            await provision.ensure(link, lanes=bench._lanes.lanes())
            stack.push_async_callback(bench.stop_resolvers)
            yield bench

    async def push(self, repositories: Iterable[str]) -> dict[str, str]:
        """Push one image into each repository, and return the digests of their `latest`."""
        images = [
            SyntheticImage(repository=name, seed=seed) for seed, name in enumerate(repositories)
        ]
        pushed = await self.registry.push(images)
        return {image.repository: each.digest for image, each in zip(images, pushed, strict=True)}

    async def start_resolvers(self, count: int) -> None:
        """Start resolvers and wait until they are ready."""
        for _ in range(count):
            number = len(self.resolvers)
            self.resolvers.append(
                ServiceProcess.spawn(
                    "imagedrift-resolver",
                    {
                        "NATS_URL": self.nats.url,
                        "IMAGEDRIFT_REGISTRIES": str(self.home / "registries.toml"),
                        "DOCKER_CONFIG": str(self.home),
                        "IMAGEDRIFT_LOG": "json",
                    },
                    log=self.home / f"resolver-{number}.log",
                )
            )
        await asyncio.gather(*(resolver.ready() for resolver in self.resolvers[-count:]))

    async def stop_resolvers(self) -> None:
        """Stop the resolvers."""
        stopping, self.resolvers = self.resolvers, []
        await asyncio.gather(*(resolver.stop() for resolver in stopping))

    def question(self, repository: str, fresh_since: datetime) -> Resolve:
        """Return a question about a repository's `latest`."""
        return Resolve(
            registry=self.registry.host,
            repository=repository,
            tag="latest",
            asked_at=now(),
            fresh_since=fresh_since,
        )

    async def ask(self, questions: Sequence[Resolve], ttl_s: float) -> int:
        """Publish questions, and return how many NATS accepted; the others are asked already."""
        waiting = iter(questions)
        taken = 0

        async def publish() -> None:
            nonlocal taken
            for question in waiting:
                subject = subjects.lookup(self._lanes.lane_of(question.registry), question)
                done = await self.bus.publish(subject, codec.encode(question), ttl_s=ttl_s)
                taken += isinstance(done, Stored)

        await asyncio.gather(*(publish() for _ in range(AT_ONCE)))
        return taken

    async def answered(self, count: int, *, beyond: int = 0) -> None:
        """Wait until the cache was written `count` times more than `beyond`."""
        deadline = time.monotonic() + WITHIN_S
        while await self.written() < beyond + count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"not answered within {WITHIN_S:.0f} s")
            await asyncio.sleep(POLL_S)

    async def written(self) -> int:
        """Return how many times the cache was written."""
        return await self.bus.last_seq(f"KV_{subjects.BUCKET_DIGESTS}")

    async def pending(self) -> int:
        """Return how many questions are delivered and not acknowledged."""
        consumer = subjects.lane_consumer(self._lanes.lane_of(self.registry.host))
        return (await self.bus.lag(subjects.STREAM_LOOKUP, consumer)).in_flight

    async def answers_to(self, questions: Sequence[Resolve]) -> list[Answer]:
        """Wait for answers that are no older than their questions, and return them."""
        bucket = await self.bus.bucket(subjects.BUCKET_DIGESTS)
        deadline = time.monotonic() + WITHIN_S
        answers: list[Answer] = []
        while len(answers) < len(questions):
            question = questions[len(answers)]
            entry = await bucket.get(subjects.answer_key(question))
            answer = codec.decode(entry.value, Answer) if entry else None
            if answer and answer.checked_at >= question.fresh_since:
                answers.append(answer)
            elif time.monotonic() > deadline:
                raise TimeoutError(f"{question.repository} was not answered: {answer}")
            else:
                await asyncio.sleep(POLL_S)
        return answers
