"""One gate per registry and credential: every request to it passes here, and is learnt from.

What is decided stands in `core` (breaker, budget, window); here it is kept, shared and waited for.
The shared state is read when it is older than `SYNC_S`, and written at once when something changed
that other replicas must know, else with the next reading.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeVar

import structlog
from msgspec.structs import replace

from imagedrift_resolver.bulkhead import SILENT_S, Bulkhead, PutOff
from imagedrift_resolver.core import budget, window
from imagedrift_resolver.core.description import Description
from imagedrift_resolver.core.reply import Reply
from imagedrift_resolver.host_health import HostHealth
from imagedrift_resolver.places import WAIT_S, Places
from imagedrift_runtime import metrics
from imagedrift_schemas.v1 import Failure, Found, Limited, RegistryState, Unreachable

log = structlog.get_logger()

T = TypeVar("T")

SYNC_S: Final = 1.0
BYTES: Final = 12_000
"""What a gate takes without the questions that it remembers, by measurement."""
BATCH_S: Final = 0.2
"""How much of a pace is promised to one replica at a time."""


class States(Protocol):
    """Where what is known of registries is shared."""

    async def read(self, registry: str, credential: str) -> RegistryState | None:
        """Return the shared state."""

    async def change(
        self, own: RegistryState, change: Callable[[RegistryState], RegistryState]
    ) -> RegistryState | None:
        """Apply `change` to the shared state (`own` where there is none); the result, if shared."""


class Lanes(Protocol):
    """Where questions wait."""

    async def pause(self, registry: str, until: datetime) -> None:
        """Let no more questions to a registry be delivered, if its lane is its own."""


class Pace:
    """Up to when requests to one registry are promised, whatever credential each of them shows."""

    def __init__(self, credentials: tuple[str, ...] = ()) -> None:
        self.lock = asyncio.Lock()
        self.credentials = credentials
        """Those that other replicas may use there."""
        self.until: datetime | None = None


class Gate:
    """The gate of one registry, for one credential."""

    def __init__(
        self,
        own: RegistryState,
        *,
        max_connections: int | None,
        requests_per_second: float | None,
        is_hub: bool = False,
        bulkhead: Bulkhead | None = None,
        pace: Pace | None = None,
        states: States,
        lanes: Lanes,
        now: Callable[[], datetime],
    ) -> None:
        self._state = own
        self._configured_pace = requests_per_second
        self._is_hub = is_hub
        self._bulkhead = bulkhead
        self._pace = pace or Pace()
        self._states = states
        self._lanes = lanes
        self._now = now
        self._window = window.first_window(max_connections)
        self.health = HostHealth(now)
        self._places = Places(self._room)
        self._synced_at, self._has_synced = float("-inf"), False
        self._syncing = asyncio.Lock()
        self._dirty = False
        self._promised: deque[datetime] = deque()
        self._sent: deque[float] = deque(maxlen=64)
        self._heard_at = time.monotonic()
        self.has_answered = False
        """Anything at all was ever answered: a name that somebody made up shares nothing."""

    @property
    def registry(self) -> str:
        """The registry's name."""
        return self._state.registry

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return BYTES + self.health.size

    @property
    def is_needed(self) -> bool:
        """Tell whether requests pass here now, or it keeps somebody from asking."""
        until = self._state.blocked_until
        is_blocked = until is not None and self._now() < until
        return self._places.taken > 0 or is_blocked or self.health.is_shut

    def is_answering(self) -> bool:
        """Tell whether it has answered well, did respond last, and is not silent now."""
        is_silent = self._places.taken > 0 and time.monotonic() - self._heard_at > SILENT_S
        return self.health.is_answering and not is_silent

    @property
    def is_alone(self) -> bool:
        """Tell whether its lane is its own."""
        return self._bulkhead is None

    async def run(self, work: Callable[[], Awaitable[T]], *, hosts: int = 0) -> T | PutOff:
        """Do what is to be done with it, for so many hosts, if its lane has a slot to spare."""
        if self._bulkhead is None:
            return await work()
        return await self._bulkhead.run(self, work, hosts=hosts)

    async def refusal(self, method: str) -> Failure | None:
        """Return why nothing can be asked now, before any slot is taken for it."""
        await self._sync()
        return self._refused(method)

    async def enter(self, method: str, question: str = "") -> Failure | None:
        """Wait for a place. Returns why there is none; else `leave` must follow."""
        await self._sync()
        if refused := self._refused(method):
            return refused
        if self._places.taken == 0:
            self._heard_at = time.monotonic()
        if not await self._places.take():
            until = self._now() + timedelta(seconds=WAIT_S)
            return Limited(reason=f"{self._state.registry} answers too slowly", until=until)
        refused = self._refused(method)  # much may have happened meanwhile
        if refused is None:
            refused = self.health.admit(question)
        if refused:
            self._places.give_back()
        return refused

    async def before(self, method: str, *, spare: bool = False) -> Limited | None:
        """Wait for a request's turn in the pace. Returns why it must not be made.

        A spare one is made only while more than half of the registry's limit is left.
        """
        if refused := self._limit(method, spare=spare):
            return refused
        rate = budget.pace(self._state, self._configured_pace, self._now())
        if rate is not None:
            turn = await self._turn(rate)
            wait = (turn - self._now()).total_seconds()
            if wait > WAIT_S:
                return Limited(reason=f"our {rate:.2g} requests a second are in use", until=turn)
            if wait > 0:
                await asyncio.sleep(wait)
        self._sent.append(time.monotonic())
        return None

    async def observe(self, reply: Reply, method: str) -> None:
        """Learn from a response."""
        self._heard_at, self.has_answered = time.monotonic(), True
        jitter = random.random()  # noqa: S311 - no secret
        before, now = self._state, self._now()
        self._state = budget.learn(
            before,
            reply,
            method,
            now,
            rate=self._rate(),
            jitter=jitter,
            is_hub=self._is_hub,
        )
        self._dirty = True
        if reply.status == 429:
            metrics.limits.add()
            self._window = window.after_limit(self._window)
            await self._stop(now)
        elif self._state.blocked_until != before.blocked_until:
            await self._stop(now)
        elif self._state.rate_remaining == 0 and before.rate_remaining != 0:
            await self._share()
        elif reply.status < 400:
            self._window = window.after_success(self._window)

    def leave(self, outcome: object, question: str = "") -> None:
        """Give the place back, and tell what became of the question. None: it was given up."""
        if isinstance(outcome, Unreachable):
            self._failed(outcome.reason[:200], question)
        elif outcome is None or isinstance(outcome, Limited):
            self.health.gave_up(question)
        else:
            self.health.succeeded(question, is_good=isinstance(outcome, Found | Description))
        self._places.give_back()

    async def flush(self) -> None:
        """Share what was learnt and not shared yet."""
        if self._dirty and self.has_answered:
            await self._share()

    def _room(self) -> int:
        left = budget.remaining(self._state, "HEAD", self._now(), is_hub=self._is_hub)
        return self._window.size if left is None else max(1, min(self._window.size, left))

    def _refused(self, method: str) -> Failure | None:
        return self.health.refusal() or self._limit(method)

    def _limit(self, method: str, *, spare: bool = False) -> Limited | None:
        return budget.refusal(self._state, method, self._now(), is_hub=self._is_hub, spare=spare)

    def _failed(self, reason: str, question: str) -> None:
        is_opened = self.health.failed(question, reason)
        self._state = replace(self._state, last_error=reason, observed_at=self._now())
        self._dirty = True
        if is_opened:
            metrics.circuits.add()
            log.warning("circuit.opened", registry=self._state.registry, error=reason)
            self._places.let_all_in()

    async def limited(self, outcome: Limited) -> None:
        """Learn from another host that a question needs, and that asks us to wait.

        No token, or nobody behind a redirect, is no answer.
        """
        now = self._now()
        until = outcome.until or now + timedelta(seconds=WAIT_S)
        self._state = budget.stopped(self._state, until, outcome.reason)
        await self._stop(now)

    async def _stop(self, now: datetime) -> None:
        """Stop asking: here, in every replica, and on the server."""
        self._places.let_all_in()
        await self._share()
        until = self._state.blocked_until
        if until and until > now:
            log.warning("registry.limited", registry=self._state.registry, until=until.isoformat())
            await self._lanes.pause(self._state.registry, until)

    async def _turn(self, rate: float) -> datetime:
        """Return when the next request may go: promised to this replica by the shared state."""
        async with self._syncing:
            full = self._state.paced_until
            if full and (full - self._now()).total_seconds() > WAIT_S:
                return full  # a turn that nobody would wait for is not taken
            if not self._promised:
                self._promised.extend(await self._more_turns(rate))
            return self._promised.popleft()

    async def _more_turns(self, rate: float) -> list[datetime]:
        count = max(1, int(rate * BATCH_S))
        first = self._now()

        def take(shared: RegistryState) -> RegistryState:
            nonlocal first
            first, kept = budget.reserve(
                budget.paced(self._joined(shared), self._pace.until), rate, count, self._now()
            )
            return kept

        async with self._pace.lock:
            for name in self._pace.credentials:
                if name != self._state.credential:
                    other = await self._states.read(self._state.registry, name)
                    told = budget.believable(other, self._now()).paced_until if other else None
                    self._pace.until = budget.later(self._pace.until, told)
            self._state = await self._states.change(self._state, take) or take(self._state)
            self._pace.until = self._state.paced_until
        return [first + i * timedelta(seconds=1 / rate) for i in range(count)]

    async def _sync(self) -> None:
        if time.monotonic() - self._synced_at < SYNC_S:
            return
        if self._syncing.locked() and self._has_synced:  # what was known a moment ago will do
            return
        if self._dirty and self.has_answered:
            await self._share()
            return
        async with self._syncing:
            if time.monotonic() - self._synced_at < SYNC_S:
                return
            shared = await self._states.read(self._state.registry, self._state.credential)
            self._synced_at, self._has_synced = time.monotonic(), True
            self.has_answered = self.has_answered or shared is not None
            self._state = self._joined(shared or self._state)

    async def _share(self) -> None:
        async with self._syncing:
            self._synced_at, self._dirty = time.monotonic(), False
            shared = await self._states.change(self._state, self._joined)
            self._dirty = self._dirty or shared is None
            self._state = self._joined(shared or self._state)

    def _joined(self, shared: RegistryState) -> RegistryState:
        """Join what others know with what we know."""
        now = self._now()
        own = budget.believable(self._state, now)
        return budget.merged(budget.believable(shared, now), own)

    def _rate(self) -> float:
        """Return at how many requests a second we asked lately."""
        if len(self._sent) < 2:
            return 1.0
        return len(self._sent) / max(self._sent[-1] - self._sent[0], 1.0)
