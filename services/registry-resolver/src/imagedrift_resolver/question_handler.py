"""Handles questions as they are delivered: what becomes of the message, once there is an answer.

While a question is in its stream, the server refuses the same question: for minutes. One that was
put off for seconds is removed, so that it can be asked again at the time that its answer names.
"""

from datetime import timedelta
from typing import Any, Final, Protocol

from imagedrift_resolver.core.finding import AnyQuestion, CachedAnswer
from imagedrift_resolver.core.policy import question_fault
from imagedrift_runtime.logs import get_logger
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.errors import BusError
from imagedrift_runtime.nats.outcomes import Done, HandlerOutcome, Reject, Retry
from imagedrift_schemas import codec
from imagedrift_schemas.errors import SchemaError
from imagedrift_schemas.v1 import Answer, Limited, List, Question

PUT_OFF_AT_MOST: Final = timedelta(seconds=30)
"""A question that is put off for longer stays in its stream."""

log = get_logger()


class QuestionStream(Protocol):
    """The stream of questions."""

    async def remove(self, subject: str) -> None:
        """Remove a question, so that the same one can be asked again."""


class Answering(Protocol):
    """The resolver, which answers questions."""

    async def ask(self, question: AnyQuestion) -> CachedAnswer:
        """Answer a question. Raises `BusError`."""


class QuestionHandler:
    """Handles questions as they are delivered."""

    def __init__(self, resolver: Answering, questions: QuestionStream) -> None:
        self._resolver = resolver
        self._questions = questions

    async def handle(self, delivery: Delivery) -> HandlerOutcome:
        """Answer one delivered question."""
        return await self._handle(delivery, Question)

    async def handle_list(self, delivery: Delivery) -> HandlerOutcome:
        """Answer one delivered question for tags."""
        return await self._handle(delivery, List)

    async def _handle(self, delivery: Delivery, kind: Any) -> HandlerOutcome:
        try:
            question: AnyQuestion = codec.decode(delivery.payload, kind)
        except SchemaError as error:
            return Reject("malformed", str(error))
        if fault := question_fault(question):
            return Reject("bad_reference", fault)
        try:
            answer = await self._resolver.ask(question)
            if is_put_off(answer):
                await self._questions.remove(delivery.subject)
        except BusError as error:
            log.warning("cache.failed", subject=delivery.subject, error=str(error))
            return Retry("cache", 5.0)
        return Done()


def is_put_off(answer: CachedAnswer) -> bool:
    """Tell whether an answer says no more than that the question shall come again in seconds."""
    failure = answer.outcome if isinstance(answer, Answer) else answer.failure
    until = failure.until if isinstance(failure, Limited) else None
    return until is not None and until - answer.checked_at <= PUT_OFF_AT_MOST
