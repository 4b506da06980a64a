"""Whether what the shared cache holds answers a question already."""

from datetime import datetime

from imagedrift_resolver.core.clock_skew import is_in_future
from imagedrift_resolver.core.credential import ANONYMOUS
from imagedrift_resolver.core.description import lacking_facts
from imagedrift_schemas.v1 import Answer, AnyAnswer, Describe, Described, Question, Resolve


def is_enough(known: AnyAnswer, question: Question, credential: str, now: datetime) -> bool:
    """Tell whether a known answer answers a question, so that no registry is asked."""
    match question, known:
        case Resolve(), Answer():
            return is_fresh(known, question, credential, now)
        case Describe(), Described():
            return is_described(known, question, credential, now)
        case _:
            return False


def is_fresh(answer: Answer | None, question: Resolve, credential: str, now: datetime) -> bool:
    """Tell whether an answer is young enough, and was got as this question may be answered.

    `checked_at` is the moment before the request: an answer whose request began before a push
    does not count as news of it.
    """
    return (
        answer is not None
        and answer.checked_at >= question.fresh_since
        and not is_in_future(answer.checked_at, now)
        and may_serve(answer, credential)
    )


def overtakes(other: Answer | Described, answer: Answer | Described, now: datetime) -> bool:
    """Tell whether another answer, kept meanwhile, is newer than this one."""
    return other.checked_at >= answer.checked_at and not is_in_future(other.checked_at, now)


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
    """Tell whether a digest need not be looked into (again): its content never changes.

    Facts that are lacking are looked for once per question: asking seldom is the planner's task.
    """
    if known is None or not may_serve(known, credential):
        return False
    if known.failure is not None:
        return question.asked_at <= known.checked_at and not is_in_future(known.checked_at, now)
    lacks_facts = bool(lacking_facts(known.children, question.facts_of))
    if not lacks_facts and (is_complete(known) or not is_wanting(known, question)):
        return True
    return question.asked_at <= known.checked_at and not is_in_future(known.checked_at, now)


def is_complete(known: Described) -> bool:
    """Tell whether every child was read, so that there is nothing more to be learnt.

    An empty list is none: earlier versions left out children without a platform.
    """
    read = (child.config_digest and child.nested is not True for child in known.children)
    return bool(known.children) and all(read)


def is_wanting(known: Described, question: Describe) -> bool:
    """Tell whether a question looks for what is not known: an image id, or a platform's child."""
    read = {child.config_digest for child in known.children}
    if question.image_ids:
        return not {*question.image_ids} <= read
    offered = {child.platform for child in known.children if not child.config_digest}
    return bool(offered & {*question.platforms})


def _is_good(answer: Answer | Described) -> bool:
    if isinstance(answer, Described):
        return answer.failure is None
    return answer.failures == 0
