"""Whether the shared cache holds the answer to a question already."""

from datetime import datetime

from imagedrift_resolver.core.clock_skew import is_in_future
from imagedrift_resolver.core.credential import ANONYMOUS
from imagedrift_resolver.core.description import lacking_facts
from imagedrift_resolver.core.finding import AnyQuestion, CachedAnswer
from imagedrift_schemas.constraints import MOST_PLATFORMS, MOST_TAGS
from imagedrift_schemas.tags.version import GRAMMAR, read
from imagedrift_schemas.v1 import Answer, Describe, Described, List, Listed, Resolve


def is_enough(known: CachedAnswer, question: AnyQuestion, credential: str, now: datetime) -> bool:
    """Tell whether a known answer answers a question, so that no registry is asked."""
    match question, known:
        case Resolve(), Answer():
            return is_fresh(known, question, credential, now)
        case Describe(), Described():
            return is_described(known, question, credential, now)
        case List(), Listed():
            return is_listed(known, question, credential, now)
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


def overtakes(other: CachedAnswer, answer: CachedAnswer, now: datetime) -> bool:
    """Tell whether another answer, kept meanwhile, is newer than this one."""
    return other.checked_at >= answer.checked_at and not is_in_future(other.checked_at, now)


def may_serve(answer: CachedAnswer, credential: str) -> bool:
    """Tell whether the holder of `credential` may read an answer: if public, or opened by it."""
    if answer.credential == credential:
        return True
    return answer.credential == ANONYMOUS and _is_good(answer)


def may_inherit(answer: CachedAnswer, credential: str) -> bool:
    """Tell whether an answer's facts may live on in the next one, got with `credential`."""
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


def is_listed(known: Listed | None, question: List, credential: str, now: datetime) -> bool:
    """Tell whether a list is young enough, and has the tracks that are asked for.

    A list that lacks one of them for room, or was cut by another grammar, is made anew, once per
    question.
    """
    if known is None or not may_serve(known, credential) or is_in_future(known.checked_at, now):
        return False
    if known.checked_at < question.fresh_since:
        return False
    is_made_for_it = question.asked_at <= known.checked_at
    return is_made_for_it or (known.grammar == GRAMMAR and not _lacks_track(known, question))


def _lacks_track(known: Listed, question: List) -> bool:
    if not known.cut:
        return False
    first = (read(track.names[0]) for track in known.tracks if track.names)
    kept = {version.track for version in first if version}
    wanted = (read(tag) for tag in question.tags[:MOST_TAGS])
    return any(version and version.track not in kept for version in wanted)


def is_complete(known: Described) -> bool:
    """Tell whether every child was read, so that there is nothing more to be learnt.

    An empty list is none: earlier versions left out children without a platform.
    """
    read = (child.config_digest and child.nested is not True for child in known.children)
    return bool(known.children) and all(read)


def is_wanting(known: Described, question: Describe) -> bool:
    """Tell whether a question looks for something unknown: an image id, or a platform's child."""
    read = {child.config_digest for child in known.children}
    if question.image_ids:
        return not {*question.image_ids} <= read
    offered = {child.platform for child in known.children if not child.config_digest}
    return bool(offered & {*question.platforms[:MOST_PLATFORMS]})


def _is_good(answer: CachedAnswer) -> bool:
    if isinstance(answer, Answer):
        return answer.failures == 0
    return answer.failure is None
