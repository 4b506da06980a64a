"""The words of messages: what they say, that they are bounded, and that nothing breaks them."""

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_notifier.core.content import (
    MOST_ITEMS,
    MOST_LISTED,
    MOST_OF_A_TITLE,
    shortened,
    trial_content,
    write,
)
from imagedrift_notifier.core.due_group import DueGroup
from support.notifier import NOW, group

PAGE = "https://drift.example.org"


def test_a_message_says_what_a_person_needs_to_know() -> None:
    """Image, hosts, from what to what, where, since when, due when, and a link."""
    one = group(
        hosts=3120,
        running_hosts=2900,
        places=("fra1", "ams2"),
        place_count=12,
        from_versions=("1.27.3",),
        to_version="1.27.5",
        since=NOW - timedelta(hours=1),
    )

    made = write("ops", [one], PAGE)

    assert made.title == "docker.io/library/nginx:1.27 was replaced: 3,120 hosts to update"
    assert made.body.splitlines() == [
        "3,120 hosts, 2,900 running it",
        "From 1.27.3 to 1.27.5",
        "Where: fra1, ams2 and 10 more",
        "Since 2026-11-26 19:00 UTC",
        "Due since 2026-11-26 20:00 UTC",
        "https://drift.example.org/image?reference=docker.io%2Flibrary%2Fnginx%3A1.27",
    ]
    [item] = made.payload["data"]["items"]
    assert (item["from"], item["to"], item["hosts"]) == (["1.27.3"], "1.27.5", 3120)
    assert item["since"] == "2026-11-26T19:00:00+00:00"


@pytest.mark.parametrize(
    ("one", "title"),
    [
        (group(hosts=1), "docker.io/library/nginx:1.27 was replaced: 1 host to update"),
        (
            group(kind="version", target="1.28"),
            "docker.io/library/nginx:1.27: 1.28 is newer: 3 hosts to update",
        ),
        (group(kind="missing"), "docker.io/library/nginx:1.27 is gone from its registry: 3 hosts"),
        (
            group("docker.io", "error", "denied", detail="401"),
            "docker.io cannot be asked: 3 references",
        ),
    ],
)
def test_each_kind_has_words_of_its_own(one: DueGroup, title: str) -> None:
    """A title says at once what happened."""
    assert write("ops", [one], "").title == title


def test_several_images_are_listed_and_what_is_more_is_counted() -> None:
    """A long digest names the first, counts the rest, and links to what is due."""
    many = [group(f"docker.io/a/b{n}:1", to_version="2") for n in range(150)]

    made = write("weekly", many, PAGE)

    lines = made.body.splitlines()
    assert made.title == "150 images to update"
    assert len(lines) == MOST_LISTED + 2
    assert lines[0].endswith("(2 running), an older image → 2")
    assert lines[-2:] == [f"and {150 - MOST_LISTED} more", f"{PAGE}/due"]
    assert len(made.payload["data"]["items"]) == MOST_ITEMS
    assert made.payload["data"]["more"] == 50


def test_digests_are_cut_for_people_and_whole_for_programs() -> None:
    """Twelve digits tell two digests apart."""
    long = "sha256:" + "a1" * 32
    made = write("ops", [group(from_versions=(long,), to_version=long)], "")

    assert "From sha256:a1a1a1a1a1a1 to sha256:a1a1a1a1a1a1" in made.body
    assert made.payload["data"]["items"][0]["to"] == long


def test_a_newer_version_is_told_of_the_tag_that_hosts_run() -> None:
    """The tag says the version, also where the image has no label, and only a digest is known."""
    newer = group(kind="version", target="1.29", from_versions=("sha256:a1",), to_version="1.29")

    made = write("ops", [newer], "")

    assert "From 1.27 to 1.29" in made.body
    assert made.payload["data"]["items"][0]["from"] == ["1.27"]


def test_two_topics_of_one_image_and_several_errors_have_titles() -> None:
    """A bundle of one image names it; one of registries counts them."""
    both = [group(), group(kind="version", target="1.28")]
    errors = [group("r.io", "error", "denied", detail="no entry"), group("q.io", "error", "denied")]

    assert write("ops", both, "").title == "docker.io/library/nginx:1.27: 3 hosts to update"
    assert write("ops", errors, PAGE).title == "2 registry problems"
    assert write("ops", errors, PAGE).body.startswith(
        "- r.io cannot be asked: 3 references: no entry\n"
    )
    assert write("ops", errors, PAGE).body.endswith(f"{PAGE}/registries")


def test_a_trial_says_that_it_is_one() -> None:
    """A test message names its route, and tells programs that it is none."""
    made = trial_content("ops", PAGE)

    assert "ops" in made.title
    assert made.payload["data"]["test"] is True


@given(st.text(max_size=3000), st.text(max_size=3000), st.integers(0, 10**9))
def test_no_text_of_a_host_breaks_a_message(name: str, other: str, hosts: int) -> None:
    """Every message is bounded, has no control characters, and can be written as JSON."""
    one = group(
        f"docker.io/{name}:1",
        target=other,
        places=(name,) * 10,
        place_count=10,
        from_versions=(other,) * 10,
        to_version=other,
        hosts=hosts,
        detail=name,
    )

    for groups in ([one], [one] * 200):
        made = write("ops", groups, "")
        assert len(made.title) <= MOST_OF_A_TITLE
        assert made.title.isprintable()
        assert all(line.isprintable() for line in made.body.split("\n"))
        assert len(made.body) < 20_000
        assert len(msgspec.json.encode(made.payload)) < 1_000_000


def test_a_text_is_cut_where_a_channel_has_a_bound() -> None:
    """A text that is too long ends with a mark; without a bound it stays."""
    assert shortened("abcdef", 4) == "abc…"
    assert shortened("abcdef", 6) == shortened("abcdef", 0) == "abcdef"
