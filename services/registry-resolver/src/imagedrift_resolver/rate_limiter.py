"""The limiter of one registry and credential: every request passes it, and every response teaches.

    try:
        async with limiter.admit(method, question) as admission:
            if refusal := await limiter.wait_turn(method):
                ...
            await limiter.observe(reply, method)
            admission.outcome = ...
    except NotAdmitted as refused:
        ...

`core` decides (`breaker`, `budget`, `concurrency`); `shared_state` has the state of all replicas,
`pacer` and `slots` wait, `host_health` remembers failures.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import datetime, timedelta
from typing import Final, Protocol

from msgspec.structs import replace

from imagedrift_resolver.admission import Admission, NotAdmitted
from imagedrift_resolver.bulkhead import SILENT_S, Bulkhead, LaneCrowded
from imagedrift_resolver.core import backoff, budget, concurrency
from imagedrift_resolver.core.description import Description
from imagedrift_resolver.core.reply import Reply
from imagedrift_resolver.host_health import HostHealth
from imagedrift_resolver.pacer import Pacer
from imagedrift_resolver.shared_state import SharedState
from imagedrift_resolver.slots import WAIT_S, NoSlot, Slots
from imagedrift_runtime import metrics
from imagedrift_runtime.clock import Clock
from imagedrift_runtime.logs import get_logger
from imagedrift_schemas.v1 import Failure, Found, Limited, Unreachable

log = get_logger()

BYTES: Final = 12_000
"""The bytes of a limiter without the questions that it remembers, by measurement."""
CROWDED: Final = (
    "too many registries in its lane do not answer, and this one has not shown that it does"
)


class Lanes(Protocol):
    """Where questions wait."""

    async def pause(self, registry: str, until: datetime) -> None:
        """Let no more questions to a registry be delivered, if its lane is its own."""


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
        self.health_of_lists = HostHealth(clock)
        """Lists of tags alone: a registry that cannot list them may be well."""
        self._shared = shared
        self.pacer = pacer
        self._is_hub = is_hub
        self._bulkhead = bulkhead
        self._lanes = lanes
        self._clock = clock
        self._window = concurrency.initial(max_connections)
        self.slots = Slots(self._slot_limit, clock)
        self._heard_at = self._served_s()

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
        return self.slots.in_use > 0 or is_blocked or self.health.is_shut

    @property
    def is_alone(self) -> bool:
        """Tell whether its lane is its own."""
        return self._bulkhead is None

    def is_answering(self) -> bool:
        """Tell whether it has answered well, did respond last, and is not silent now."""
        silent_s = self._served_s() - self._heard_at
        is_silent = self.slots.in_use > self.slots.lent and silent_s > SILENT_S
        return self.health.is_answering and not is_silent

    @asynccontextmanager
    async def admit(self, method: str, question: str, *, hosts: int) -> AsyncIterator[Admission]:
        """Hold the slots for a question of so many hosts, for the length of an `async with`.

        Raises `NotAdmitted`, also when the lane's slot has to be given up in between.
        """
        await self.check(method)
        try:
            async with self._lane_slot(hosts):
                await self.check(method)
                if self.slots.in_use == self.slots.lent:
                    self._heard_at = self._served_s()
                async with self.slots.slot():
                    self._check_admission(method, question)
                    admission = Admission()
                    try:
                        yield admission
                    finally:
                        self._learn_outcome(admission.outcome, question)
        except LaneCrowded as crowded:
            raise NotAdmitted(self._put_off(CROWDED, crowded.wait_s)) from crowded
        except NoSlot as error:
            reason = f"{self.registry} answers too slowly"
            raise NotAdmitted(self._put_off(reason, WAIT_S)) from error

    async def check(self, method: str) -> None:
        """Raise `NotAdmitted` where no such request may be made now."""
        await self._shared.sync()
        if refused := self._refused(method):
            raise NotAdmitted(refused)

    @asynccontextmanager
    async def turn(self, method: str, *, spare: bool = False) -> AsyncIterator[None]:
        """Make one request of an admitted question, once it is its turn. Raises `NotAdmitted`."""
        if refused := await self.wait_turn(method, spare=spare):
            raise NotAdmitted(refused)
        yield

    async def wait_turn(self, method: str, *, spare: bool = False) -> Limited | None:
        """Wait for a request's turn in the pace. Returns why it must not be made.

        A spare one is made only while more than half of the registry's limit is left.
        """
        return self.limit(method, spare=spare) or await self.pacer.wait_turn()

    def limit(self, method: str, *, spare: bool = False) -> Limited | None:
        """Return why the registry's limit forbids a request now."""
        state, now = self._shared.value, self._clock.now()
        return budget.refusal(state, method, now, is_hub=self._is_hub, spare=spare)

    async def observe(self, reply: Reply, method: str) -> None:
        """Learn from a response."""
        self._heard_at, self._shared.has_answered = self._served_s(), True
        before, now = self._shared.value, self._clock.now()
        learnt = budget.learn(
            before,
            reply,
            method,
            now,
            rate=self.pacer.recent_rate(),
            jitter=self._clock.random(),
            is_hub=self._is_hub,
        )
        self._shared.note(learnt)
        if reply.status == 429:
            metrics.limits.add()
            self._window = concurrency.after_limit(self._window)
            await self._stop(now)
        elif learnt.blocked_until != before.blocked_until:
            await self._stop(now)
        elif learnt.rate_remaining == 0 and before.rate_remaining != 0:
            await self._shared.share()
        elif reply.status < 400:
            self._window = concurrency.after_success(self._window)

    async def observe_limit(self, limit: Limited) -> None:
        """Learn that another host which a question needs asks us to wait.

        A token endpoint, or the target of a redirect: the registry itself has not answered.
        """
        now = self._clock.now()
        until = limit.until or now + timedelta(seconds=WAIT_S)
        self._shared.note(backoff.stopped(self._shared.value, until, limit.reason))
        await self._stop(now)

    async def flush(self) -> None:
        """Share the states that are not shared yet."""
        await self._shared.flush()

    def _served_s(self) -> float:
        """Return a time for silences, which only a shared lane looks at."""
        return self._bulkhead.served_s() if self._bulkhead else 0.0

    def _lane_slot(self, hosts: int) -> AbstractAsyncContextManager[None]:
        return self._bulkhead.slot(self, hosts=hosts) if self._bulkhead else nullcontext()

    def _check_admission(self, method: str, question: str) -> None:
        """Check once more, as much may have happened while the question waited."""
        if refused := self._refused(method) or self.health.admit(question):
            raise NotAdmitted(refused)

    def _learn_outcome(self, outcome: object, question: str) -> None:
        if isinstance(outcome, Unreachable):
            self._note_failure(outcome.reason[:200], question)
        elif outcome is None or isinstance(outcome, Limited):
            self.health.gave_up(question)
        else:
            self.health.succeeded(question, is_good=isinstance(outcome, Found | Description))

    def _put_off(self, reason: str, wait_s: float) -> Limited:
        return Limited(reason=reason, until=self._clock.now() + timedelta(seconds=wait_s))

    def _slot_limit(self) -> int:
        state, now = self._shared.value, self._clock.now()
        left = budget.remaining(state, "HEAD", now, is_hub=self._is_hub)
        return self._window.size if left is None else max(1, min(self._window.size, left))

    def _refused(self, method: str) -> Failure | None:
        return self.health.refusal() or self.limit(method)

    def _note_failure(self, reason: str, question: str) -> None:
        is_opened = self.health.failed(question, reason)
        state = replace(self._shared.value, last_error=reason, observed_at=self._clock.now())
        self._shared.note(state)
        if is_opened:
            metrics.circuits.add()
            log.warning("circuit.opened", registry=state.registry, error=reason)
            self.slots.admit_all()

    async def _stop(self, now: datetime) -> None:
        """Stop asking: here, in every replica, and on the server."""
        self.slots.admit_all()
        await self._shared.share()
        state = self._shared.value
        if state.blocked_until and state.blocked_until > now:
            until = state.blocked_until
            log.warning("registry.limited", registry=state.registry, until=until.isoformat())
            await self._lanes.pause(state.registry, until)
