"""When the engine is looked at after it said that something changed."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from imagedrift_agent.core.debounce import (
    CONTAINER_BOUND,
    CONTAINER_QUIET,
    IMAGE_BOUND,
    IMAGE_QUIET,
    Pending,
    after,
)
from imagedrift_agent.core.records import Event

START = datetime(2026, 11, 23, 16, 20, tzinfo=UTC)
IMAGE, CONTAINER = Event(type="image", action="tag"), Event(type="container", action="start")


def at(seconds: float) -> datetime:
    """A moment after the start."""
    return START + timedelta(seconds=seconds)


def test_nothing_is_due_before_something_happened() -> None:
    """A quiet engine is not looked at."""
    assert Pending().due is None


def test_one_change_of_an_image_is_seen_within_a_second() -> None:
    """A pull or a tag is one event: there is little to wait for."""
    assert after(Pending(), IMAGE, START).due == START + IMAGE_QUIET


def test_a_burst_is_one_look() -> None:
    """Each event puts the look off a little, never beyond the bound after the first."""
    pending = Pending()
    for tenth in range(100):
        pending = after(pending, IMAGE, at(tenth / 10))

    assert pending.due == START + IMAGE_BOUND


def test_a_restless_container_does_not_delay_an_image() -> None:
    """The two are waited for apart, and the sooner one decides."""
    pending = after(Pending(), CONTAINER, START)
    pending = after(pending, IMAGE, at(0.1))
    pending = after(pending, CONTAINER, at(0.2))

    assert pending.due == at(0.1) + IMAGE_QUIET


@given(st.lists(st.tuples(st.sampled_from([IMAGE, CONTAINER]), st.floats(0, 5)), min_size=1))
def test_a_look_is_never_put_off_for_ever(events: list[tuple[Event, float]]) -> None:
    """Whatever happens in whichever order, the first event is seen within its bound."""
    pending, now = Pending(), START
    first_bound = None
    for event, pause in events:
        now += timedelta(seconds=pause)
        bound = CONTAINER_BOUND if event is CONTAINER else IMAGE_BOUND
        first_bound = min(first_bound or now + bound, now + bound)
        pending = after(pending, event, now)

    assert pending.due is not None
    assert first_bound is not None
    assert pending.due <= first_bound
    assert pending.due <= now + max(CONTAINER_QUIET, IMAGE_QUIET)
