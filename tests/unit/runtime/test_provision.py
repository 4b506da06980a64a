"""The plan: what would be done to a server, told from configurations alone."""

from typing import Any, get_args

import pytest

from imagedrift_runtime.nats.provision import ProvisionStep, plan
from imagedrift_runtime.nats.topology import STREAM_MIB, Declared, declare
from imagedrift_schemas import subjects

STREAM = Declared(
    kind="stream",
    name="S",
    config={
        "subjects": ["s.*"],
        "retention": "limits",
        "storage": "file",
        "discard": "old",
        "max_age": 100,
        "max_bytes": 800,
        "max_msgs_per_subject": 2,
        "num_replicas": 2,
        "allow_direct": True,
    },
)
CONSUMER = Declared(
    kind="consumer",
    name="S/c",
    config={"max_ack_pending": 5, "filter_subject": "s.a", "deliver_policy": "all"},
)


def test_what_is_missing_is_created() -> None:
    """An empty server gets everything."""
    assert plan([STREAM, CONSUMER], {}) == [
        ProvisionStep("stream", "S", "created"),
        ProvisionStep("consumer", "S/c", "created"),
    ]


def test_what_is_right_is_unchanged() -> None:
    """Fields that are not declared are not looked at; absent, false, zero and empty are one."""
    found = STREAM.config | {"description": "by hand", "placement": object()}
    thing = Declared(kind="stream", name="S", config=STREAM.config | {"deny_purge": False})

    assert plan([thing], {"S": found}) == [ProvisionStep("stream", "S", "unchanged")]


@pytest.mark.parametrize(
    ("field", "old"),
    [
        ("subjects", []),
        ("max_age", 50),
        ("max_msgs_per_subject", 1),
        ("num_replicas", 1),
        ("allow_direct", False),
        ("discard", "new"),
        ("max_bytes", -1),
        ("max_bytes", 900),
    ],
)
def test_a_safe_change_is_an_update_with_its_diff(field: str, old: Any) -> None:
    """More room, more subjects, more replicas: nothing is lost."""
    (step,) = plan([STREAM], {"S": STREAM.config | {field: old}})

    assert (step.action, step.unsafe) == ("updated", ())
    assert step.diff == (f"{field}: {old!r} -> {STREAM.config[field]!r}",)


@pytest.mark.parametrize(
    ("field", "old"),
    [
        ("subjects", ["s.*", "t.*"]),
        ("retention", "workqueue"),
        ("storage", "memory"),
        ("max_age", 0),
        ("max_age", 200),
        ("max_msgs_per_subject", -1),
        ("max_msgs_per_subject", 3),
        ("num_replicas", 3),
    ],
)
def test_a_change_that_could_lose_messages_is_unsafe(field: str, old: Any) -> None:
    """Less room, fewer subjects, fewer replicas, or another kind of stream."""
    (step,) = plan([STREAM], {"S": STREAM.config | {field: old}})

    assert step.unsafe == (f"{field}: {old!r} -> {STREAM.config[field]!r}",)


def test_a_stream_is_not_bounded_below_what_it_holds() -> None:
    """The bound may come down as far as nothing is dropped by it; the refusal says what to do."""
    found = {"S": STREAM.config | {"max_bytes": -1}}

    (roomy,) = plan([STREAM], found, {"S": 800})
    (tight,) = plan([STREAM], found, {"S": 801})

    assert roomy.unsafe == ()
    assert tight.unsafe == (
        "max_bytes: -1 -> 800, and it holds 801: set IMAGEDRIFT_STREAM_MIB, or purge it",
    )


@pytest.mark.parametrize(
    ("field", "old", "unsafe"),
    [
        ("max_ack_pending", 9, False),
        ("max_ack_pending", 1, False),
        ("filter_subject", "s.b", True),
        ("deliver_policy", "new", True),
    ],
)
def test_a_consumers_limit_may_change_and_its_choice_may_not(
    field: str, old: Any, unsafe: bool
) -> None:
    """Which messages it delivers stays; how many at a time does not have to."""
    (step,) = plan([CONSUMER], {"S/c": CONSUMER.config | {field: old}})

    assert step.action == "updated"
    assert bool(step.unsafe) is unsafe


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


def test_every_stream_has_a_bound_that_an_operator_can_set() -> None:
    """The names that the setting takes are those of the topology, and no other."""
    from imagedrift_cli.deploy import StreamName

    streams = {thing.name for thing in declare() if thing.kind == "stream"}
    assert set(get_args(StreamName)) == streams == STREAM_MIB.keys()


def test_two_lanes_of_one_consumer_are_refused() -> None:
    """Their names differ only where a consumer's may not."""
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
