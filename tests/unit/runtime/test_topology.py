"""The streams and consumers that there have to be."""

from typing import get_args

import pytest

from imagedrift_runtime.nats.topology import PROGRESS_EVERY_S, STREAM_MIB, declare
from imagedrift_schemas import subjects


def test_the_lanes_of_an_operator_are_added_to_those_that_always_are() -> None:
    """A registry with a lane of its own takes none away; a limit that is said holds."""
    things = {thing.name: thing.config for thing in declare({"corp:5000": 8, "hub": 3})}

    lanes = {name: config["max_ack_pending"] for name, config in things.items() if "lane-" in name}
    assert lanes == {
        "DRIFT_LOOKUP/lane-hub": 3,
        "DRIFT_LOOKUP/lane-ghcr": 64,
        "DRIFT_LOOKUP/lane-quay": 64,
        "DRIFT_LOOKUP/lane-ecr": 64,
        "DRIFT_LOOKUP/lane-other": 64,
        f"DRIFT_LOOKUP/{subjects.lane_consumer('corp:5000')}": 8,
    }


def test_each_lane_has_a_second_consumer_with_two_slots_for_lists_of_tags() -> None:
    """No other question waits behind a list, as they have consumers of their own."""
    things = {thing.name: thing.config for thing in declare({"corp:5000": 1})}

    assert things["DRIFT_LOOKUP"]["subjects"] == ["drift.v1.lookup.*.*.*", "drift.v1.list.*.*.*"]
    for lane, slots in {"hub": 2, "other": 2, "corp:5000": 1}.items():
        lists = things[f"DRIFT_LOOKUP/{subjects.list_consumer(lane)}"]
        lookups = things[f"DRIFT_LOOKUP/{subjects.lane_consumer(lane)}"]
        assert lists["filter_subject"] == subjects.list_lane(lane)
        assert lookups["filter_subject"] == subjects.lookup_lane(lane)
        assert lists["max_ack_pending"] == slots


def test_every_stream_has_a_bound_that_an_operator_can_set() -> None:
    """The names that the setting takes are those of the topology, and no other."""
    from imagedrift_cli.deploy import StreamName

    streams = {thing.name for thing in declare() if thing.kind == "stream"}
    assert set(get_args(StreamName)) == streams == STREAM_MIB.keys()


def test_what_a_killed_process_held_is_delivered_again_within_seconds() -> None:
    """Every consumer waits for six seconds, in which a process that lives tells it three times."""
    waits = {thing.config["ack_wait"] for thing in declare() if thing.kind == "consumer"}

    assert waits == {6}
    assert PROGRESS_EVERY_S == 2


def test_two_lanes_of_one_consumer_are_refused() -> None:
    """The lanes' names differ only where a consumer's may not."""
    with pytest.raises(ValueError, match="two lanes have one consumer"):
        declare({"a:b": 1, "a_3Ab": 1})


def test_questions_cannot_block_their_subject_for_ever() -> None:
    """Limits retention with a time to live: a work queue would keep a poisoned message."""
    lookup = {thing.name: thing.config for thing in declare()}[subjects.STREAM_LOOKUP]

    assert lookup["retention"] == "limits"
    assert lookup["allow_msg_ttl"] is True
    assert (lookup["discard"], lookup["discard_new_per_subject"]) == ("new", True)
    assert lookup["max_msgs_per_subject"] == 1


def test_every_stream_is_declared_in_full() -> None:
    """No value is left to a default, of which nats-py and the server have different ones."""
    for thing in declare(replicas=3):
        if thing.kind == "stream":
            assert {"duplicate_window", "num_replicas", "max_age"} <= thing.config.keys()
            assert 0 < thing.config["max_bytes"] <= 4 * 1024**3
            most = 8 if thing.name == subjects.STREAM_INVENTORY else 1
            assert 0 < thing.config["max_msg_size"] <= most * 1024**2
            assert thing.config["num_replicas"] == 3
            assert thing.config["subject_delete_marker_ttl"] == 0
