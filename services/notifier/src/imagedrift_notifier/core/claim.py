"""Claims: what of all that is due is told by a route, and when.

A claim is a row under a unique key (route, kind, reference, target), written before anything is
sent. One without a time is never sent: it was due before its route was made.
"""

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

from imagedrift_notifier.core.due_group import DueGroup, Topic
from imagedrift_notifier.core.route import MessageRoute
from imagedrift_notifier.core.schedule import send_time


class Claim(Struct, frozen=True):
    """A topic of a route, and when it is sent."""

    topic: Topic
    send_at: datetime | None


def claims_of(
    route: MessageRoute, groups: Iterable[DueGroup], known_until: datetime | None, now: datetime
) -> list[Claim]:
    """List the claims on these groups, on those that the route tells of.

    With `known_until` what was due before that moment is claimed without being sent.
    """
    moment = send_time(route.schedule, now)
    return [
        Claim(group.topic, None if _is_known(group, known_until) else moment)
        for group in groups
        if group.hosts and group.topic.kind in route.kinds
    ]


def _is_known(group: DueGroup, known_until: datetime | None) -> bool:
    return known_until is not None and (group.due_at is None or group.due_at < known_until)
