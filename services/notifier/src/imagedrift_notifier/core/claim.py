"""Claims: what of all that is due is told by a route, and when.

A claim is a row under a unique key (route, kind, reference, target), written before anything is
sent. One without a time is never sent: it was due before its route was made.
"""

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

from imagedrift_notifier.core.due_group import DueTopic, Topic
from imagedrift_notifier.core.route import MessageRoute
from imagedrift_notifier.core.schedule import send_time


class Claim(Struct, frozen=True):
    """A topic of a route, and when it is sent."""

    topic: Topic
    send_at: datetime | None


def claims_of(
    route: MessageRoute, due: Iterable[DueTopic], known_until: datetime | None, now: datetime
) -> list[Claim]:
    """List the claims on these topics, on those that the route tells of.

    With `known_until` what was due before that moment is claimed without being sent.
    """
    moment = send_time(route.schedule, now)
    return [
        Claim(each.topic, None if _is_known(each, known_until) else moment)
        for each in due
        if each.topic.kind in route.kinds
    ]


def _is_known(due: DueTopic, known_until: datetime | None) -> bool:
    return known_until is not None and (due.due_at is None or due.due_at < known_until)
