"""Whether what the shared cache holds answers a question already."""

from datetime import datetime

from imagedrift_resolver.core.credential import ANONYMOUS
from imagedrift_resolver.core.foreign_time import is_to_come
from imagedrift_schemas.errors import BadPlatform
from imagedrift_schemas.platform import Platform, best
from imagedrift_schemas.v1 import Answer, Describe, Described, Resolve


def is_fresh(answer: Answer | None, question: Resolve, credential: str, now: datetime) -> bool:
    """Tell whether an answer is young enough, and was got as this question may be answered.

    `checked_at` is the moment before the request: an answer whose request began before a push
    does not count as news of it.
    """
    return (
        answer is not None
        and answer.checked_at >= question.fresh_since
        and not is_to_come(answer.checked_at, now)
        and may_serve(answer, credential)
    )


def overtakes(other: Answer | Described, answer: Answer | Described, now: datetime) -> bool:
    """Tell whether another answer, kept meanwhile, is newer than this one."""
    return other.checked_at >= answer.checked_at and not is_to_come(other.checked_at, now)


def may_serve(answer: Answer | Described, credential: str) -> bool:
    """Tell whether who holds `credential` may be told: what anybody may know, or what it opened."""
    if answer.credential == credential:
        return True
    return answer.credential == ANONYMOUS and _is_good(answer)


def may_inherit(answer: Answer | Described, credential: str) -> bool:
    """Tell whether what an answer knows may live on in the next one, got with `credential`."""
    return answer.credential in (credential, ANONYMOUS)


def is_described(
    known: Described | None, question: Describe, credential: str, now: datetime
) -> bool:
    """Tell whether a digest need not be looked into (again): its content never changes."""
    if known is None or not may_serve(known, credential):
        return False
    if known.failure is not None:
        return question.asked_at <= known.checked_at and not is_to_come(known.checked_at, now)
    offered = [Platform.parse(child.platform) for child in known.children]
    for text in question.platforms:
        try:
            position = best(Platform.parse(text), offered)
        except BadPlatform:
            continue
        if position is not None and not known.children[position].config_digest:
            return False
    return True


def platforms_to_describe(known: Described | None, question: Describe) -> tuple[str, ...]:
    """Return the platforms to look into, so that what another question learnt is not lost."""
    before = [child.platform for child in known.children if child.config_digest] if known else []
    return tuple(dict.fromkeys((*question.platforms, *before)))


def _is_good(answer: Answer | Described) -> bool:
    if isinstance(answer, Described):
        return answer.failure is None
    return answer.failures == 0
