"""The states of registries that replicas share, and limiters that share them."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from imagedrift_resolver.admission import NotAdmitted
from imagedrift_resolver.core.reply import Reply
from imagedrift_resolver.core.site import Site
from imagedrift_resolver.core.url import parse_url
from imagedrift_resolver.rate_limiter import RegistryLimiter
from imagedrift_resolver.rate_limiters import RegistryLimiters
from imagedrift_runtime.registries.operator_file import Registries
from imagedrift_schemas.v1 import Failure, RegistryState
from support.virtual_time import VirtualClock


class SharedStates:
    """States by registry and credential. NATS can be away, and slow to say so."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], RegistryState] = {}
        self.is_away = False
        self.slow_s = 0.0
        self.reads = 0

    async def read(self, registry: str, credential: str) -> RegistryState | None:
        """Return a state."""
        self.reads += 1
        return None if self.is_away else self.rows.get((registry, credential))

    async def change(
        self, own: RegistryState, change: Callable[[RegistryState], RegistryState]
    ) -> RegistryState | None:
        """Change a state, unless NATS is away."""
        await asyncio.sleep(self.slow_s)
        if self.is_away:
            return None
        key = (own.registry, own.credential)
        self.rows[key] = change(self.rows.get(key) or own)
        return self.rows[key]

    @property
    def registries(self) -> set[str]:
        """The registries of which anything is shared."""
        return {registry for registry, _ in self.rows}


class Lanes:
    """Lanes that note until when they are paused."""

    def __init__(self) -> None:
        self.paused: dict[str, datetime] = {}

    async def pause(self, registry: str, until: datetime) -> None:
        """Note it."""
        self.paused[registry] = until


def replica(
    states: SharedStates, known: Registries | None = None, lanes: Lanes | None = None
) -> RegistryLimiters:
    """Make the limiters of one replica."""
    return RegistryLimiters(
        known or Registries(), states=states, lanes=lanes or Lanes(), clock=VirtualClock()
    )


def limiter_of(limiters: RegistryLimiters, registry: str = "r.example") -> RegistryLimiter:
    """Return a registry's limiter."""
    return limiters.of(Site(registry=registry, api=parse_url(f"https://{registry}")))


async def ask(
    limiter: RegistryLimiter, question: str, outcome: object = None, reply: Reply | None = None
) -> Failure | None:
    """Ask one question, with that response and outcome. Returns why it is not asked."""
    try:
        async with limiter.admit("HEAD", question, hosts=1) as admission:
            if refused := await limiter.wait_turn("HEAD"):
                return refused
            if reply:
                await limiter.observe(reply, "HEAD")
            admission.outcome = outcome
    except NotAdmitted as refused_now:
        return refused_now.failure
    return None
