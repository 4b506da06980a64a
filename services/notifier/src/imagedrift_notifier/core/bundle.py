"""Bundles: which topics share a message.

A digest has all of them. Sent now, each reference has a message of its own, unless so many came at
once that they would be a flood. Registries that fail never share one with images.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from imagedrift_notifier.core.due_group import DueGroup
from imagedrift_notifier.core.route import MessageRoute

MOST_SINGLE: Final = 10
"""References at once that have a message each."""


def bundles(route: MessageRoute, groups: Sequence[DueGroup]) -> list[list[DueGroup]]:
    """Part the topics to be sent now into messages, those on most hosts first."""
    ordered = sorted(groups, key=lambda group: (-group.hosts, group.topic.reference))
    images = [group for group in ordered if group.topic.kind != "error"]
    errors = [group for group in ordered if group.topic.kind == "error"]
    return [*_of_images(route, images), *([errors] if errors else [])]


def _of_images(route: MessageRoute, images: list[DueGroup]) -> list[list[DueGroup]]:
    by_reference: dict[str, list[DueGroup]] = defaultdict(list)
    for group in images:
        by_reference[group.topic.reference].append(group)
    if route.schedule.digest or len(by_reference) > MOST_SINGLE:
        return [images] if images else []
    return list(by_reference.values())
