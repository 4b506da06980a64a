"""A resolver at work, somebody who asks it, and the `registries.toml` that lets it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from imagedrift_resolver.__main__ import PARTS, start
from imagedrift_resolver.adapters.host_names import LookUp, look_up
from imagedrift_resolver.settings import ResolverSettings
from imagedrift_runtime.clock import SystemClock
from imagedrift_runtime.nats import bus, provision
from imagedrift_runtime.nats.key_value import Bucket
from imagedrift_runtime.nats.results import Stored
from imagedrift_runtime.process import Process
from imagedrift_runtime.registries import operator_file
from imagedrift_runtime.registries.watched_file import LOOK_EVERY_S
from imagedrift_sandbox.child_process import ChildProcess
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.reference import ImageReference
from imagedrift_schemas.v1 import (
    Answer,
    AnyAnswer,
    Describe,
    Described,
    List,
    Listed,
    Question,
    Resolve,
)
from support.polling import until


def now() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)  # noqa: TID251 - a test's clock


def trusting(*hosts: str, **keys: object) -> str:
    """Write a `registries.toml` that names these hosts as plain http, with further keys."""
    lines = []
    for host in hosts:
        lines += [f'[registry."{host}"]', 'scheme = "http"']
        lines += [f"{key} = {_toml(value)}" for key, value in keys.items()]
    return "\n".join(lines) + "\n"


class ResolverClient:
    """Where questions are put and answers are read: what ingest does, without a database."""

    def __init__(
        self, nats: bus.Bus, answers: Bucket, tags: Bucket, lanes: operator_file.Registries
    ) -> None:
        self.nats = nats
        self.answers = answers
        self.tags = tags
        self.lanes = lanes

    async def put(self, question: Question | List, ttl_s: float = 300) -> bool:
        """Put a question. False when the server refused it, as it is asked already."""
        lane = self.lanes.lane_of(question.registry)
        if isinstance(question, List):
            subject = subjects.list_question(lane, question)
        else:
            subject = subjects.lookup(lane, question)
        done = await self.nats.publish(subject, codec.encode(question), ttl_s=ttl_s)
        return isinstance(done, Stored)

    async def ask(self, reference: str, *, ttl_s: float = 300, **fields: Any) -> Answer:
        """Ask what a tag points to and wait for the answer."""
        question = resolve(reference, **fields)
        await self.put_anew(question, ttl_s)
        return await self.answer(question)

    async def list_tags(
        self, reference: str, *tags: str, ttl_s: float = 1, within_s: float = 30
    ) -> Listed:
        """Ask which tags a repository has and wait for the answer."""
        parsed, at = ImageReference.parse(reference), now()
        question = List(
            registry=parsed.registry,
            repository=parsed.repository,
            asked_at=at,
            fresh_since=at,
            tags=tags,
        )
        await self.put_anew(question, ttl_s)

        async def found() -> Listed | None:
            entry = await self.tags.get(subjects.answer_key(question))
            known = codec.decode(entry.value, Listed) if entry else None
            return known if known and known.checked_at >= at else None

        listed: Listed = await until(found, what=f"{question}", within_s=within_s)
        return listed

    async def put_anew(self, question: Question | List, ttl_s: float = 300) -> None:
        """Put a question, once the server has forgotten the same one of before.

        Tests share the server, and a registry may get the port of an earlier test's: its question
        is there for as long as this one would be.
        """
        await until(
            lambda: self.put(question, ttl_s), what=f"{question} is taken", within_s=ttl_s + 30
        )

    async def answer(self, question: Resolve, within_s: float = 30) -> Answer:
        """Wait for an answer to a question."""

        async def found() -> Answer | None:
            answer = await self.read(question, Answer)
            return answer if answer and answer.checked_at >= question.fresh_since else None

        answer: Answer = await until(found, what=f"{question}", within_s=within_s)
        return answer

    async def describe(
        self, reference: str, digest: str, *platforms: str, facts_of: tuple[str, ...] = ()
    ) -> Described:
        """Ask what is inside a digest and wait for the answer."""
        parsed = ImageReference.parse(reference)
        question = Describe(
            registry=parsed.registry,
            repository=parsed.repository,
            digest=digest,
            asked_at=now(),
            platforms=platforms,
            facts_of=facts_of,
        )
        await self.put_anew(question, 1)

        async def found() -> Described | None:
            known = await self.read(question, Described)
            return known if known and known.checked_at >= question.asked_at else None

        described: Described = await until(found, what=f"{question}")
        return described

    async def read(self, question: Question, kind: type[AnyAnswer]) -> Any:
        """Read what the cache holds."""
        entry = await self.answers.get(subjects.answer_key(question))
        return codec.decode(entry.value, kind) if entry else None


def resolve(reference: str, **fields: Any) -> Resolve:
    """Make a question about a reference; an answer of before now will not do."""
    parsed = ImageReference.parse(reference)
    at = now()
    told = {"asked_at": at, "fresh_since": at} | fields
    return Resolve(
        registry=parsed.registry,
        repository=parsed.repository,
        tag=parsed.effective_tag,
        **told,
    )


@asynccontextmanager
async def resolver_client(url: str, toml: str = "") -> AsyncIterator[ResolverClient]:
    """Make the streams, and connect."""
    lanes = operator_file.parse(toml)
    async with bus.connect([url], "resolver-client") as nats:
        await provision.ensure(nats, lanes=lanes.lanes())
        answers = await nats.bucket(subjects.BUCKET_DIGESTS)
        yield ResolverClient(nats, answers, await nats.bucket(subjects.BUCKET_TAGS), lanes)


@asynccontextmanager
async def working(
    url: str,
    home: Path,
    toml: str = "",
    *,
    docker_config: str = "",
    look_every_s: float = LOOK_EVERY_S,
    look_up: LookUp = look_up,
    **settings: Any,
) -> AsyncIterator[ResolverClient]:
    """Run a resolver in this process, and connect to its NATS."""
    (home / "registries.toml").write_text(toml)
    (home / "docker").mkdir(exist_ok=True)
    if docker_config:
        (home / "docker" / "config.json").write_text(docker_config)
    own: dict[str, Any] = {
        "registries": str(home / "registries.toml"),
        "docker_config": str(home / "docker"),
        "runtime_dir": str(home / "run"),
        "config_home": str(home / "config"),
    }
    told = ResolverSettings(nats_url=(url,), **{**own, **settings})
    async with resolver_client(url, toml) as at:
        running = Process(PARTS, SystemClock())
        task = asyncio.create_task(start(told, running, look_every_s, look_up))

        async def ready() -> bool:
            if task.done():
                await task
            return running.health.is_ready

        try:
            await until(ready, what="the resolver is ready")
            yield at
        finally:
            running.stopping.set()
            await task


def spawn(
    url: str, home: Path, toml: str, environment: Mapping[str, str] | None = None
) -> ChildProcess:
    """Start a resolver as a process of its own, by its console script."""
    home.mkdir(exist_ok=True)
    (home / "registries.toml").write_text(toml)
    own = {
        "NATS_URL": url,
        "IMAGEDRIFT_REGISTRIES": str(home / "registries.toml"),
        "DOCKER_CONFIG": str(home),
        "XDG_RUNTIME_DIR": str(home / "run"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "IMAGEDRIFT_LOG": "json",
    }
    script = Path(sys.executable).parent / "imagedrift-resolver"
    return ChildProcess.spawn(
        [script], log=home / "resolver.log", environment={**own, **(environment or {})}
    )


def _toml(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)
