"""Acknowledging: which word is said to the server for which outcome, and in which order."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from imagedrift_runtime.nats.acknowledge import Acknowledger
from imagedrift_runtime.nats.dead_letters import DeadLetterLimiter
from imagedrift_runtime.nats.outcomes import Done, HandlerOutcome, Reject, Retry


class Message:
    """A message that notes what is said about it; `failing` makes one of the words fail."""

    def __init__(self, failing: str = "") -> None:
        self.words: list[str] = []
        self.subject, self.data = "s.a", b"payload"
        self.metadata = SimpleNamespace(
            stream="S",
            sequence=SimpleNamespace(stream=7),
            num_delivered=1,
            timestamp=datetime(2026, 1, 1, tzinfo=UTC),
        )
        self._failing = failing

    async def say(self, word: str) -> None:
        """Note what was said to the server, or fail as it does."""
        if word == self._failing:
            raise TimeoutError
        self.words.append(word)

    async def ack(self) -> None:
        """Acknowledge, and trust."""
        await self.say("ack")

    async def nak(self, delay: float) -> None:
        """Ask for it again."""
        await self.say(f"nak {delay:g}")

    async def term(self) -> None:
        """End it."""
        await self.say("term")


class Bus:
    """Publishes into the message's own list, so that the order shows."""

    def __init__(self, message: Message) -> None:
        self._message = message
        self.ids: list[str] = []
        self.dead_letters = DeadLetterLimiter()

    async def publish(self, subject: str, payload: bytes, *, message_id: str) -> None:
        """Note the letter."""
        self.ids.append(message_id)
        await self._message.say("letter")


async def acknowledged(outcome: HandlerOutcome, failing: str = "") -> tuple[list[str], Bus]:
    """The acknowledgements of a message for an outcome."""
    message = Message(failing)
    bus: Any = Bus(message)
    await Acknowledger(bus, "svc")(message, outcome)
    return message.words, bus


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Done(), ["ack"]),
        (Done("images refused"), ["letter", "ack"]),
        (Retry("later", 2.5), ["nak 2.5"]),
        (Reject("invalid"), ["letter", "term"]),
    ],
)
async def test_each_outcome_has_its_word(outcome: HandlerOutcome, words: list[str]) -> None:
    """Each outcome is told by its own word, after the letter where there is one."""
    assert (await acknowledged(outcome))[0] == words


@pytest.mark.parametrize("failing", ["ack", "letter", "term"])
async def test_what_fails_is_told_and_nothing_more_is_said(failing: str) -> None:
    """The message comes again: that is all that an error may lead to."""
    outcome: HandlerOutcome = Done() if failing == "ack" else Reject("invalid")

    with structlog.testing.capture_logs() as logs:
        words, _ = await acknowledged(outcome, failing)

    assert words == (["letter"] if failing == "term" else [])
    assert logs[-1]["event"] == "acknowledgement.failed"


async def test_a_message_that_is_refused_twice_is_one_letter() -> None:
    """A termination can be lost: the stream of letters knows the second refusal by its id."""
    ids = [(await acknowledged(Reject("invalid")))[1].ids for _ in range(2)]

    assert ids[0] == ids[1]
    assert ids[0][0].startswith("svc.S.7.")


async def test_the_loops_of_a_process_count_refusals_together() -> None:
    """Of four refusals in two loops the first, the second and the fourth have a letter."""
    message = Message()
    bus: Any = Bus(message)
    loops = [Acknowledger(bus, "svc") for _ in range(2)]
    for number in range(4):
        await loops[number % 2](message, Reject("invalid"))

    assert len(bus.ids) == 3
