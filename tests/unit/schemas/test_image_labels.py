"""The facts that an image's labels tell: bounded, fit to be shown, and never another version."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_schemas.constraints import MOST_FACT
from imagedrift_schemas.image_labels import LABELS, PREFIX, facts_in, valid_facts

DIGEST = "sha256:" + "1a" * 32
LABEL = st.one_of(
    st.sampled_from(["1.27.3", "", " ", DIGEST, "x" * MOST_FACT, "x" * (MOST_FACT + 1)]),
    st.text(max_size=300),
    st.none(),
    st.integers(),
)


def test_the_facts_are_the_labels_of_the_specification() -> None:
    """Every label that is read becomes the fact of its name; no other label does."""
    labels = {
        f"{PREFIX}version": "1.27.3",
        f"{PREFIX}revision": "d21b4f2",
        f"{PREFIX}source": "https://example.org/nginx",
        f"{PREFIX}base.name": "docker.io/library/debian:12",
        f"{PREFIX}base.digest": DIGEST,
        f"{PREFIX}title": "nginx",
        "version": "other",
    }

    assert facts_in(labels) == {
        "version": "1.27.3",
        "revision": "d21b4f2",
        "source": "https://example.org/nginx",
        "base_name": "docker.io/library/debian:12",
        "base_digest": DIGEST,
    }


@pytest.mark.parametrize(
    ("label", "version"),
    [
        ("1.27.3\n", "1.27.3"),
        (" 1.27.3 ", "1.27.3"),
        ("1\x1b[31m", "1\ufffd[31m"),
        ("1.2\x003", "1.2\ufffd3"),
        ("\x00\x01\x02", None),
        ("x" * MOST_FACT, "x" * MOST_FACT),
        ("x" * (MOST_FACT + 1), None),
        ("ä" * (MOST_FACT // 2), "ä" * (MOST_FACT // 2)),
        ("ä" * (MOST_FACT // 2 + 1), None),
        ("x" * 1_000_000, None),
        ("", None),
        (["1"], None),
    ],
    ids=ascii,
)
def test_a_label_is_cleaned_or_left_out_and_never_cut(label: object, version: str | None) -> None:
    """A cut version, or one without a character of its own, would be another version."""
    labels = {f"{PREFIX}version": label, f"{PREFIX}revision": "d21b4f2"}

    assert facts_in(labels).get("version") == version
    assert facts_in(labels)["revision"] == "d21b4f2"


@pytest.mark.parametrize("digest", ["latest", "sha256:12", DIGEST.upper(), "md5:" + "0" * 32])
def test_a_base_whose_digest_is_none_is_left_out_with_its_name(digest: str) -> None:
    """A label that lies about the base says nothing of it."""
    labels = {f"{PREFIX}base.name": "debian:12", f"{PREFIX}base.digest": digest}

    assert facts_in(labels) == {}
    assert facts_in({f"{PREFIX}base.name": "debian:12"}) == {"base_name": "debian:12"}


@given(st.dictionaries(st.sampled_from(sorted(LABELS)), LABEL))
def test_whatever_the_labels_are_the_facts_are_bounded_and_can_be_shown(
    labels: dict[str, object],
) -> None:
    """Reading what was read already changes nothing."""
    facts = facts_in(labels)

    assert all((text and text.isprintable()) or "\ufffd" in text for text in facts.values())
    assert all(len(text.encode()) <= MOST_FACT for text in facts.values())
    assert valid_facts(facts) == facts
