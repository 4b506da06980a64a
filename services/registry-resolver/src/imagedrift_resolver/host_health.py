"""How well a registry's host answers: keeps what `core.breaker` decides on.

An error that the host answered to one question is told apart from no response, and the questions
that were answered well are remembered: one of them is the probe when a host may be back. A question
is remembered by its hash, as its name may be long.
"""

from collections import OrderedDict
from typing import Final

from imagedrift_resolver.core import breaker
from imagedrift_runtime.clock import Clock
from imagedrift_schemas.v1 import Unreachable

PROBE_S: Final = 30.0
MOST_PROVEN: Final = 4096
PROVEN_BYTES: Final = 160
"""The bytes of one, by measurement."""


class HostHealth:
    """The outcomes of the last questions to one host."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._breaker = breaker.Breaker()
        self._proven: OrderedDict[int, None] = OrderedDict()
        self._errors: set[int] = set()
        self.is_answering = False
        """It has answered well, and did respond the last time."""

    @property
    def size(self) -> int:
        """About how many bytes are remembered."""
        return PROVEN_BYTES * len(self._proven)

    @property
    def is_shut(self) -> bool:
        """Tell whether its breaker is open, or finds out whether it may be closed."""
        return self._breaker.open_until is not None

    def refusal(self) -> Unreachable | None:
        """Return why nothing is asked now, if so."""
        return self._open() if breaker.is_open(self._breaker, self._clock.now()) else None

    def admit(self, question: str) -> Unreachable | None:
        """Let a question in, or return why it must wait for the outcome of a probe."""
        is_proven = not self._proven or hash(question) in self._proven
        admitted, self._breaker = breaker.admit(
            self._breaker, self._clock.now(), PROBE_S, is_proven=is_proven
        )
        return None if admitted else self._open()

    def doubts(self, question: str, *, is_documented: bool) -> bool:
        """Tell whether the host should show that it is well before an error is held against it.

        It need not where nothing speaks for it: no error document, and no good answer ever.
        """
        return (is_documented or bool(self._proven)) and breaker.doubts(
            self._breaker, f"{hash(question):x}"
        )

    def errored(self, question: str, *, is_well: bool = False) -> None:
        """Note that the host answered a question with an error, and whether it is well."""
        self._errors.add(hash(question))
        if is_well:
            self._breaker = breaker.proven_well(self._breaker)

    def succeeded(self, question: str, *, is_good: bool) -> None:
        """Note a usable response; a good one proves the question."""
        self._errors.discard(hash(question))
        self._breaker = breaker.succeeded(self._breaker)
        self.is_answering = True
        if is_good:
            self._proven[hash(question)] = None
            self._proven.move_to_end(hash(question))
            if len(self._proven) > MOST_PROVEN:
                self._proven.popitem(last=False)

    def failed(self, question: str, reason: str) -> bool:
        """Note a failed question, and tell whether nothing is asked from now on."""
        was, jitter = self._breaker.open_until, self._clock.random()
        if hash(question) in self._errors:
            self._errors.discard(hash(question))
            self._proven.pop(hash(question), None)
            key = f"{hash(question):x}"
            self._breaker = breaker.errored(self._breaker, key, self._clock.now(), reason, jitter)
        else:
            self.is_answering = False
            self._breaker = breaker.failed(self._breaker, self._clock.now(), reason, jitter)
        return self._breaker.open_until != was

    def gave_up(self, question: str) -> None:
        """Forget a question that nothing came of."""
        self._errors.discard(hash(question))

    def _open(self) -> Unreachable:
        until = self._breaker.open_until
        again = f" before {until:%H:%M:%S} UTC" if until else ""
        return Unreachable(
            reason=f"not asked{again}, after {self._breaker.failures} failures in a row; "
            f"the last: {self._breaker.last_error}"
        )
