"""What the resolver's benchmarks share: NATS, a registry, resolvers, and somebody who asks.

Everything is a process of its own, as it would be in a fleet: the registry and each resolver. The
registry's own counters are the truth about requests; the shared cache is the truth about answers.
"""

import asyncio
import json
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from imagedrift_runtime import bus, registries, streams
from imagedrift_runtime.clock import now
from imagedrift_sandbox.children import Child
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.ports import LOOPBACK, free_port
from imagedrift_sandbox.probe import http_status
from imagedrift_sandbox.processes import ServiceProcess
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Answer, Resolve

AT_ONCE = 64
POLL_S = 0.02
WITHIN_S = 120.0


class RegistryProcess:
    """The sandbox registry as a process of its own, and its switchboard."""

    def __init__(self, home: Path) -> None:
        self.port = free_port()
        self.child = Child.spawn(
            [sys.executable, "-m", "imagedrift_sandbox.registry", "--port", str(self.port)],
            log=home / "registry.log",
        )

    @property
    def host(self) -> str:
        """The registry's name in references."""
        return f"{LOOPBACK}:{self.port}"

    async def ready(self) -> None:
        """Wait until it answers."""
        url = f"http://{self.host}/v2/"
        await asyncio.to_thread(
            self.child.wait_until, lambda: http_status(url) == 200, bound_s=WITHIN_S
        )

    async def push(self, repositories: Iterable[str]) -> dict[str, str]:
        """Push one image into each repository; the digests of their `latest`."""
        names = list(repositories)
        images = [{"repository": name, "seed": number} for number, name in enumerate(names)]
        pushed = await self.control("POST", "images", images)
        return {name: image["digest"] for name, image in zip(names, pushed, strict=True)}

    async def kinds(self) -> dict[str, int]:
        """Count the requests so far, by kind."""
        totals = await self.control("GET", "counts")
        return dict(totals["kinds"])

    async def statuses(self) -> dict[str, int]:
        """Count the answers so far, by status."""
        totals = await self.control("GET", "counts")
        return dict(totals["statuses"])

    async def control(self, method: str, what: str, body: object = None) -> Any:
        """Use the switchboard."""
        return await asyncio.to_thread(self._control, method, what, body)

    def _control(self, method: str, what: str, body: object) -> Any:
        data = None if body is None else json.dumps(body).encode()
        url = f"http://{self.host}/_sandbox/{what}"
        request = urllib.request.Request(url, data, method=method)
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            return json.loads(response.read() or b"null")


class Workshop:
    """Running servers, and the questions and answers on them."""

    def __init__(
        self, home: Path, nats: NatsServer, registry: RegistryProcess, link: bus.Bus, toml: str
    ) -> None:
        self.home = home
        self.nats = nats
        self.registry = registry
        self.bus = link
        self.resolvers: list[ServiceProcess] = []
        self._lanes = registries.parse(toml)
        self._toml = toml

    @classmethod
    @asynccontextmanager
    async def open(cls, home: Path, **keys: int) -> AsyncIterator["Workshop"]:
        """Start NATS and the registry; `keys` configure the registry in `registries.toml`."""
        async with AsyncExitStack() as stack:
            nats = await stack.enter_async_context(NatsServer.start(home / "nats"))
            registry = RegistryProcess(home)
            stack.callback(registry.child.stop)
            await registry.ready()
            lines = [f'[registry."{registry.host}"]', 'scheme = "http"']
            toml = "\n".join([*lines, *(f"{key} = {value}" for key, value in keys.items())])
            (home / "registries.toml").write_text(toml)
            link = await stack.enter_async_context(bus.connect([nats.url], "imagedrift-bench"))
            workshop = cls(home, nats, registry, link, toml)
            await streams.ensure(link, lanes=workshop._lanes.lanes())
            stack.push_async_callback(workshop.stop_resolvers)
            yield workshop

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
        """Make a question about a repository's `latest`."""
        return Resolve(
            registry=self.registry.host,
            repository=repository,
            tag="latest",
            asked_at=now(),
            fresh_since=fresh_since,
        )

    async def ask(self, questions: Sequence[Resolve], ttl_s: float) -> int:
        """Publish questions; how many were taken, the others being asked already."""
        waiting = iter(questions)
        taken = 0

        async def publish() -> None:
            nonlocal taken
            for question in waiting:
                subject = subjects.lookup(self._lanes.lane_of(question.registry), question)
                done = await self.bus.publish(subject, codec.encode(question), ttl_s=ttl_s)
                taken += isinstance(done, bus.Stored)

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
        """Tell how many times the cache was written."""
        info = await self.bus.js.stream_info(f"KV_{subjects.BUCKET_DIGESTS}")
        return int(info.state.last_seq)

    async def pending(self) -> int:
        """Tell how many questions are delivered and not settled."""
        consumer = subjects.lane_consumer(self._lanes.lane_of(self.registry.host))
        return (await self.bus.lag(subjects.STREAM_LOOKUP, consumer)).in_flight

    async def answers_to(self, questions: Sequence[Resolve]) -> list[Answer]:
        """Wait for the answers to questions; an older answer than is asked for does not count."""
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
