"""A host's profile never refuses the host."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_ingest.core import inventories, profile
from imagedrift_ingest.core.inventories import ReceivedInventory
from imagedrift_schemas import codec, subjects
from support.ingest import NOW, image, inventory

ANY = st.text(st.characters(exclude_categories=()), max_size=40)
TEXTS = ("hostname", "place", "os", "arch", "engine", "engine_version", "agent_version", "degraded")


def profile_with(**facts: Any) -> ReceivedInventory:
    """Return the profile that is read from another program's JSON."""
    message = json.loads(codec.encode(inventory("web-1", [image()])))
    payload = json.dumps(message | facts).encode()
    return inventories.read(subjects.inventory("fra1", "web-1"), payload, 1, NOW)


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys((*TEXTS, "boot"), ANY)
        | {
            "labels": st.dictionaries(ANY, ANY, max_size=5),
            "skipped": st.dictionaries(ANY, st.integers(), max_size=5),
        },
    )
)
def test_whatever_a_host_says_of_itself_it_is_read(facts: dict[str, Any]) -> None:
    """Any profile of a host is read, and can be shown and stored."""
    about = profile_with(**facts).envelope
    texts = [getattr(about, name) for name in TEXTS]
    for text in (*texts, about.boot, *about.labels, *about.labels.values(), *about.skipped):
        assert text.isprintable() or text.isspace()
        assert codec.encode(about)
    assert all(0 <= count < 2**31 for count in about.skipped.values())


@pytest.mark.parametrize(
    ("labels", "kept"),
    [
        ({"team": "web"}, {"team": "web"}),
        ({"": "x", "a": ""}, {"a": ""}),
        ({"k": "\x01"}, {"k": "\ufffd"}),
        ({"k\n": "1", "k\t": "2"}, {"k ": "2"}),
    ],
)
def test_labels_are_cleaned(labels: dict[str, str], kept: dict[str, str]) -> None:
    """Keys and values of labels are cleaned, and a label without a name is dropped."""
    assert profile_with(labels=labels).envelope.labels == kept


@pytest.mark.parametrize(
    "labels",
    [
        {f"k{n:05}": "v" for n in range(10_000)},
        {f"k{n}": "v" * 1_000_000 for n in range(3)},
        {"k" * 1_000_000: "v"},
    ],
)
def test_labels_are_bounded(labels: dict[str, str]) -> None:
    """Labels are bounded by number, by length and in total."""
    kept = profile_with(labels=labels).envelope.labels
    assert 0 < len(kept) <= profile.MOST_LABELS
    assert sum(map(len, (*kept, *kept.values()))) <= profile.MOST_LABELS_IN_ALL


def test_a_long_name_is_cut() -> None:
    """A long host name is cut, as the database's index has a limit."""
    about = profile_with(hostname="x" * 5000, place="a/" * 5000, degraded="no\n" * 5000).envelope
    assert about.hostname == "x" * 254 + "…"
    assert len(about.place) == profile.MOST_PLACE
    assert len(about.degraded) == profile.MOST_DEGRADED


def test_a_clean_host_is_left_as_it_is() -> None:
    """A clean profile is returned as the same object."""
    about = profile_with(labels={"team": "web"}, skipped={"bad_id": 1}).envelope
    assert profile.cleaned_profile(about) is about
