"""The labels of containers that say when their image is updated."""

import pytest

from imagedrift_schemas.update_labels import MOST_LABEL, MOST_SPAN_S, read, seconds_in, told_by

SPANS = {
    "90m": 5400,
    "12h": 43_200,
    "3d": 259_200,
    "3 days": 259_200,
    "1 Day": 86_400,
    " 2w ": 1_209_600,
    "0d": 0,
    "400d": MOST_SPAN_S,
    "401d": None,
    "soon": None,
    "3": None,
    "-3d": None,
    "1.5d": None,
    "3d 2h": None,
    "٣d": None,
    "": None,
}


@pytest.mark.parametrize(("span", "seconds"), SPANS.items())
def test_a_span_is_read_as_people_write_it(span: str, seconds: int | None) -> None:
    """A span has one number and one unit, and is at most 400 days."""
    assert seconds_in(span) == seconds


def test_the_labels_of_all_containers_of_an_image_are_told() -> None:
    """Each by its key, and no other label."""
    containers = [
        {"imagedrift.wait": "3d", "imagedrift.ignore": "false", "com.example": "x"},
        {"imagedrift.wait": " 3d", "imagedrift.pin": "true"},
        {},
    ]
    assert told_by(containers) == {"wait": "3d", "pin": "true"}
    assert told_by([{}, {"com.example": "x"}]) == {}


def test_containers_that_contradict_each_other_say_nothing() -> None:
    """A label that they agree upon still counts."""
    one = {"imagedrift.wait": "3d", "imagedrift.within": "minor"}
    other = {"imagedrift.wait": "4d", "imagedrift.within": "minor"}
    assert told_by([one, other]) == {"within": "minor"}


@pytest.mark.parametrize("text", ["x" * 1_000_000, "3d\x00", "é" * 33, "\u202e3d", "  ", "\ud800"])
def test_a_label_that_cannot_be_told_is_left_out(text: str) -> None:
    """The others are told."""
    assert told_by([{"imagedrift.track": text, "imagedrift.pin": "true"}]) == {"pin": "true"}


def test_what_is_kept_is_what_was_understood() -> None:
    """Each value in the form in which it is compared."""
    told = {"wait": "3d", "due_after": "1w", "within": "minor", "track": "{n}-alpine", "pin": "Yes"}
    assert read(told) == {
        "wait_s": 259_200,
        "due_after_s": 604_800,
        "within": "minor",
        "track": "{n}-alpine",
        "pin": True,
    }


@pytest.mark.parametrize(
    "told",
    [
        {"wait": "soon", "within": "all", "pin": "false", "track": ""},
        {"wait": 3, "within": None, "pin": True, "track": ["x"]},
        {"other": "3d", "wait": "3d" + " " * MOST_LABEL},
    ],
)
def test_what_says_nothing_is_not_kept(told: dict[str, object]) -> None:
    """A sender may write anything: it costs itself."""
    assert read(told) == {}
