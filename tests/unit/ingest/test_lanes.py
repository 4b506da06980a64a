"""Which lanes work, told from the consumers that there are."""

from imagedrift_ingest.core.lanes import LaneStates, lists_of, next_states
from imagedrift_runtime.nats.results import ConsumerLag
from imagedrift_schemas import subjects

HUB, CORP = subjects.lane_consumer("hub"), subjects.lane_consumer("corp:5000")
HUB_LISTS, CORP_LISTS = subjects.list_consumer("hub"), subjects.list_consumer("corp:5000")
READ = ConsumerLag(0, 0, waiting=1)


def test_a_lane_without_its_consumer_is_missing_until_there_is_one() -> None:
    """A lane is missing until its consumer exists."""
    lanes = ["hub", "corp:5000"]
    there = {HUB: READ, HUB_LISTS: READ}

    without = next_states(LaneStates(), lanes, there)
    then = next_states(without, lanes, there | {CORP: READ, CORP_LISTS: READ})

    assert without.missing == {"corp:5000", lists_of("corp:5000")}
    assert then.missing == frozenset()


def test_the_lists_of_a_lane_are_watched_for_themselves() -> None:
    """A resolver of before reads a lane and not its lists; `imagedrift streams` makes both."""
    lists = lists_of("hub")

    missing = next_states(LaneStates(), ["hub"], {HUB: READ})
    unread = next_states(missing, ["hub"], {HUB: READ, HUB_LISTS: ConsumerLag(3, 0)})
    twice = next_states(unread, ["hub"], {HUB: READ, HUB_LISTS: ConsumerLag(3, 0)})

    assert missing.missing == {lists}
    assert unread.missing == frozenset()
    assert unread.deserted == frozenset()
    assert twice.deserted == {lists}


def test_a_lane_is_deserted_when_nobody_reads_it_twice_in_a_row() -> None:
    """A lane is unread when two checks in a row see no resolver on it."""
    unread = next_states(LaneStates(), ["hub"], {HUB: ConsumerLag(3, 0)})
    twice = next_states(unread, ["hub"], {HUB: ConsumerLag(3, 0)})
    read = next_states(twice, ["hub"], {HUB: ConsumerLag(3, 0, waiting=1)})

    assert twice.deserted == {"hub"}
    assert not unread.deserted
    assert not read.deserted


def test_a_lane_with_nothing_in_it_or_at_rest_is_not_deserted() -> None:
    """A lane that is empty, paused or full is not unread."""
    for lag in (ConsumerLag(0, 0), ConsumerLag(3, 0, paused=True), ConsumerLag(3, 5)):
        once = next_states(LaneStates(), ["hub"], {HUB: lag})
        assert next_states(once, ["hub"], {HUB: lag}).deserted == frozenset()
