"""The limiter of one registry and credential: every request passes it, and every response teaches.

    try:
        async with limiter.admit(method, question) as admission:
            if refusal := await limiter.wait_turn(method):
                ...
            await limiter.observe(reply, method)
            admission.outcome = ...
    except NotAdmitted as refused:
        ...

`core` decides (`breaker`, `budget`, `window`); `shared_state` keeps what replicas share, `pacer`
and `places` wait, `host_health` remembers what failed.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeVar

import structlog
from msgspec.structs import replace

from imagedrift_resolver.bulkhead import SILENT_S, Bulkhead, PutOff
from imagedrift_resolver.core import budget, window
from imagedrift_resolver.core.description import Description
from imagedrift_resolver.core.reply import Reply
from imagedrift_resolver.host_health import HostHealth
from imagedrift_resolver.pacer import Pacer
from imagedrift_resolver.places import WAIT_S, Places
from imagedrift_resolver.shared_state import SharedState
from imagedrift_runtime import metrics
from imagedrift_runtime.clock import Clock
from imagedrift_schemas.v1 import Failure, Found, Limited, Unreachable

log = structlog.get_logger()

T = TypeVar("T")

BYTES: Final = 12_000
"""What a limiter takes without the questions that it remembers, by measurement."""


class Lanes(Protocol):
    """Where questions wait."""

    async def pause(self, registry: str, until: datetime) -> None:
        """Let no more questions to a registry be delivered, if its lane is its own."""


class NotAdmitted(Exception):
    """A question must not be asked now; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


class Admission:
    """A question that was admitted: its holder notes the outcome before the slot is released."""

    outcome: object = None
    """None: the question was given up."""


class RegistryLimiter:
    """The limiter of one registry, for one credential."""

    def __init__(
        self,
        shared: SharedState,
        pacer: Pacer,
        *,
        max_connections: int | None,
        is_hub: bool,
        bulkhead: Bulkhead | None,
        lanes: Lanes,
        clock: Clock,
    ) -> None:
        self.health = HostHealth(clock)
        self._shared = shared
        self._pacer = pacer
        self._is_hub = is_hub
        self._bulkhead = bulkhead
        self._lanes = lanes
        self._clock = clock
        self._window = window.first_window(max_connections)
        self._places = Places(self._room)
        self._heard_at = clock.monotonic()

    @property
    def registry(self) -> str:
        """The registry's name."""
        return self._shared.value.registry

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return BYTES + self.health.size

    @property
    def has_answered(self) -> bool:
        """Tell whether the registry ever answered: a made-up name shares nothing."""
        return self._shared.has_answered

    @property
    def is_needed(self) -> bool:
        """Tell whether requests are under way, or it keeps requests from being made."""
        until = self._shared.value.blocked_until
        is_blocked = until is not None and self._clock.now() < until
        return self._places.taken > 0 or is_blocked or self.health.is_shut

    @property
    def is_alone(self) -> bool:
        """Tell whether its lane is its own."""
        return self._bulkhead is None

    def is_answering(self) -> bool:
        """Tell whether it has answered well, did respond last, and is not silent now."""
        silent_s = self._clock.monotonic() - self._heard_at
        is_silent = self._places.taken > 0 and silent_s > SILENT_S
        return self.health.is_answering and not is_silent

    async def run(self, work: Callable[[], Awaitable[T]], *, hosts: int = 0) -> T | PutOff:
        """Do some work for so many hosts, if the lane has a slot to spare."""
        if self._bulkhead is None:
            return await work()
        return await self._bulkhead.run(self, work, hosts=hosts)

    async def refusal(self, method: str) -> Failure | None:
        """Return why nothing can be asked now, before any slot is taken for it."""
        await self._shared.sync()
        return self._refused(method)

    @asynccontextmanager
    async def admit(self, method: str, question: str) -> AsyncIterator[Admission]:
        """Hold a slot for a question, for the length of an `async with`. Raises `NotAdmitted`."""
        if refused := await self._enter(method, question):
            raise NotAdmitted(refused)
        admission = Admission()
        try:
            yield admission
        finally:
            self._leave(admission.outcome, question)

    async def wait_turn(self, method: str, *, spare: bool = False) -> Limited | None:
        """Wait for a request's turn in the pace. Returns why it must not be made.

        A spare one is made only while more than half of the registry's limit is left.
        """
        return self._limit(method, spare=spare) or await self._pacer.wait_turn()

    async def observe(self, reply: Reply, method: str) -> None:
        """Learn from a response."""
        self._heard_at, self._shared.has_answered = self._clock.monotonic(), True
        before, now = self._shared.value, self._clock.now()
        learnt = budget.learn(
            before,
            reply,
            method,
            now,
            rate=self._pacer.recent_rate(),
            jitter=self._clock.random(),
            is_hub=self._is_hub,
        )
        self._shared.note(learnt)
        if reply.status == 429:
            metrics.limits.add()
            self._window = window.after_limit(self._window)
            await self._stop(now)
        elif learnt.blocked_until != before.blocked_until:
            await self._stop(now)
        elif learnt.rate_remaining == 0 and before.rate_remaining != 0:
            await self._shared.share()
        elif reply.status < 400:
            self._window = window.after_success(self._window)

    async def observe_limit(self, limit: Limited) -> None:
        """Learn that another host which a question needs asks us to wait.

        A token endpoint, or the target of a redirect: the registry itself has not answered.
        """
        now = self._clock.now()
        until = limit.until or now + timedelta(seconds=WAIT_S)
        self._shared.note(budget.stopped(self._shared.value, until, limit.reason))
        await self._stop(now)

    async def flush(self) -> None:
        """Share what was learnt and not shared yet."""
        await self._shared.flush()

    async def _enter(self, method: str, question: str) -> Failure | None:
        """Wait for a slot. Returns why there is none; else `_leave` must follow."""
        if refused := await self.refusal(method):
            return refused
        if self._places.taken == 0:
            self._heard_at = self._clock.monotonic()
        if not await self._places.take():
            until = self._clock.now() + timedelta(seconds=WAIT_S)
            reason = f"{self._shared.value.registry} answers too slowly"
            return Limited(reason=reason, until=until)
        # Much may have happened while it waited.
        refused = self._refused(method) or self.health.admit(question)
        if refused:
            self._places.give_back()
        return refused

    def _leave(self, outcome: object, question: str) -> None:
        if isinstance(outcome, Unreachable):
            self._note_failure(outcome.reason[:200], question)
        elif outcome is None or isinstance(outcome, Limited):
            self.health.gave_up(question)
        else:
            self.health.succeeded(question, is_good=isinstance(outcome, Found | Description))
        self._places.give_back()

    def _room(self) -> int:
        state, now = self._shared.value, self._clock.now()
        left = budget.remaining(state, "HEAD", now, is_hub=self._is_hub)
        return self._window.size if left is None else max(1, min(self._window.size, left))

    def _refused(self, method: str) -> Failure | None:
        return self.health.refusal() or self._limit(method)

    def _limit(self, method: str, *, spare: bool = False) -> Limited | None:
        state, now = self._shared.value, self._clock.now()
        return budget.refusal(state, method, now, is_hub=self._is_hub, spare=spare)

    def _note_failure(self, reason: str, question: str) -> None:
        is_opened = self.health.failed(question, reason)
        state = replace(self._shared.value, last_error=reason, observed_at=self._clock.now())
        self._shared.note(state)
        if is_opened:
            metrics.circuits.add()
            log.warning("circuit.opened", registry=state.registry, error=reason)
            self._places.let_all_in()

    async def _stop(self, now: datetime) -> None:
        """Stop asking: here, in every replica, and on the server."""
        self._places.let_all_in()
        await self._shared.share()
        state = self._shared.value
        if state.blocked_until and state.blocked_until > now:
            until = state.blocked_until
            log.warning("registry.limited", registry=state.registry, until=until.isoformat())
            await self._lanes.pause(state.registry, until)
