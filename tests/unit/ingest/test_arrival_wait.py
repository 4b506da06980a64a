"""How long the planner waits for more new references before it asks about those that are there."""

from imagedrift_ingest.core.arrival_wait import (
    FIRST_S,
    FLEET_QUIET_S,
    MANY_HOSTS,
    MOST_S,
    QUIET_S,
    begin_wait,
)


def test_a_host_that_goes_on_bringing_news_makes_nobody_wait_for_longer() -> None:
    """A host's first news counts, however many messages follow."""
    begun = begin_wait(100.0, {1})
    assert begun.ends_at == 100.0 + FIRST_S
    assert begun.joined(100.2, {1}).ends_at == begun.ends_at


def test_further_hosts_are_waited_for_within_a_bound() -> None:
    """As a whole fleet comes in, each new host prolongs the wait, up to its most."""
    waiting = begin_wait(100.0, set())
    for number in range(100):
        waiting = waiting.joined(100.0 + number / 5, {number})
    assert waiting.ends_at == 100.0 + MOST_S
    assert begin_wait(100.0, {1}).joined(100.2, {1, 2}).ends_at == 100.2 + QUIET_S


def test_a_fleet_that_starts_is_waited_for_until_its_inventories_are_stored() -> None:
    """A batch of many hosts takes longer than a moment of quiet, and others follow it."""
    fleet = set(range(MANY_HOSTS))
    waiting = begin_wait(100.0, fleet)
    assert waiting.ends_at == 100.0 + FLEET_QUIET_S
    assert waiting.joined(101.0, {*fleet, -1}).ends_at == 101.0 + FLEET_QUIET_S
