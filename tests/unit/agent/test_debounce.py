"""When a snapshot is taken after the engine's events."""

from hypothesis import given
from hypothesis import strategies as st

from imagedrift_agent.core.debounce import (
    CONTAINER_BOUND_S,
    CONTAINER_QUIET_S,
    IMAGE_BOUND_S,
    IMAGE_QUIET_S,
    Pending,
    after,
)
from imagedrift_agent.core.records import Event

START = 1000.0
IMAGE, CONTAINER = Event(type="image", action="tag"), Event(type="container", action="start")


def at(seconds: float) -> float:
    """A moment after the start."""
    return START + seconds


def test_nothing_is_due_before_something_happened() -> None:
    """A quiet engine needs no snapshot."""
    assert Pending().due is None


def test_one_change_of_an_image_is_seen_within_a_second() -> None:
    """A pull or a tag is one event: there is little to wait for."""
    assert after(Pending(), IMAGE, START).due == START + IMAGE_QUIET_S


def test_a_burst_is_one_snapshot() -> None:
    """Each event puts the snapshot off a little, never beyond the bound after the first."""
    pending = Pending()
    for tenth in range(100):
        pending = after(pending, IMAGE, at(tenth / 10))

    assert pending.due == START + IMAGE_BOUND_S


def test_a_restless_container_does_not_delay_an_image() -> None:
    """The two are waited for apart, and the sooner one decides."""
    pending = after(Pending(), CONTAINER, START)
    pending = after(pending, IMAGE, at(0.1))
    pending = after(pending, CONTAINER, at(0.2))

    assert pending.due == at(0.1) + IMAGE_QUIET_S


@given(st.lists(st.tuples(st.sampled_from([IMAGE, CONTAINER]), st.floats(0, 5)), min_size=1))
def test_a_snapshot_is_never_put_off_for_ever(events: list[tuple[Event, float]]) -> None:
    """In any order of events the first one is seen within its bound."""
    pending, now = Pending(), START
    first_bound = None
    for event, pause in events:
        now += pause
        bound = CONTAINER_BOUND_S if event is CONTAINER else IMAGE_BOUND_S
        first_bound = min(first_bound or now + bound, now + bound)
        pending = after(pending, event, now)

    assert pending.due is not None
    assert first_bound is not None
    assert pending.due <= first_bound
    assert pending.due <= now + max(CONTAINER_QUIET_S, IMAGE_QUIET_S)
