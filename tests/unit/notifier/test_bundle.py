"""Which topics share a message."""

from imagedrift_notifier.core.bundle import MOST_SINGLE, bundles
from imagedrift_notifier.core.schedule import RouteSchedule
from support.notifier import group, route


def test_sent_now_each_reference_has_a_message_of_its_own() -> None:
    """Two topics of one reference share a message; another reference has its own."""
    found = bundles(route(), [group("a/b:1"), group("a/c:1", hosts=9), group("a/b:1", "version")])

    assert [[each.topic.reference for each in one] for one in found] == [
        ["a/c:1"],
        ["a/b:1", "a/b:1"],
    ]


def test_many_at_once_share_one_message() -> None:
    """More references than a person reads one by one are one message."""
    few = [group(f"a/b{n}:1") for n in range(MOST_SINGLE)]

    assert len(bundles(route(), few)) == MOST_SINGLE
    assert len(bundles(route(), [*few, group("a/more:1")])) == 1


def test_a_digest_is_one_message_and_errors_are_another() -> None:
    """Registries that fail never share a message with images."""
    digest = route(schedule=RouteSchedule(digest="0 8 * * *"))
    groups = [group("a/b:1"), group("r.io", "error"), group("a/c:1"), group("q.io", "error")]

    found = bundles(digest, groups)

    assert [[each.topic.kind for each in one] for one in found] == [["outdated"] * 2, ["error"] * 2]
    assert bundles(digest, []) == bundles(route(), []) == []
