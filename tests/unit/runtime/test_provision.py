"""The plan: what would be done to a server, told from configurations alone."""

from typing import Any

import pytest

from imagedrift_runtime.nats.provision import ProvisionStep, plan
from imagedrift_runtime.nats.topology import Declared

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
