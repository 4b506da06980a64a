"""The facts of an image in its configuration: which are read, once, and what is believed."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from imagedrift_resolver.core.conversation import Send
from imagedrift_resolver.core.description import Description
from imagedrift_resolver.core.image_config import CONFIG_CAP, read_config
from imagedrift_resolver.core.reply import Reply
from imagedrift_schemas import codec
from imagedrift_schemas.v1 import (
    Child,
    ImageFacts,
)
from support.conversations import unknown
from support.shelf import Shelf, look, look_whole

CREATED = "2026-10-01T02:00:00+02:00"
LABELS = {
    "org.opencontainers.image.version": "1.27.5",
    "org.opencontainers.image.source": "https://example.org/nginx",
    "maintainer": "somebody",
}
FACTS = ImageFacts(
    version="1.27.5",
    source="https://example.org/nginx",
    built_at=datetime(2026, 10, 1, tzinfo=UTC),
)


def labelled(shelf: Shelf, platform: str = "linux/amd64") -> tuple[str, str]:
    """Keep an image whose labels tell its version."""
    return shelf.image(platform, created=CREATED, config={"Labels": LABELS})


def test_the_facts_of_a_platform_are_in_its_configuration() -> None:
    """Configurations of the platforms asked for are read, never from a limit's last half."""
    shelf = Shelf()
    (amd, config), (arm, _) = labelled(shelf), labelled(shelf, "linux/arm64")
    digest = shelf.index((amd, "linux/amd64"), (arm, "linux/arm64"))

    children, steps = look(shelf, digest, facts_of=("linux/amd64",))

    assert children == (
        Child(platform="linux/amd64", digest=amd, config_digest=config, facts=FACTS),
        Child(platform="linux/arm64", digest=arm),
    )
    assert [step.url.target.split("/")[-2] for step in steps if isinstance(step, Send)] == [
        *("manifests", "manifests", "blobs")
    ]
    assert [step.spare for step in steps if isinstance(step, Send)] == [False, True, True]


def test_an_image_of_one_platform_tells_its_facts_whatever_platform_is_asked_for() -> None:
    """A manifest without an index names no platform."""
    shelf = Shelf()
    digest, config = labelled(shelf)

    children, _ = look(shelf, digest, facts_of=("linux/amd64",))

    assert children == (Child(platform="", digest=digest, config_digest=config, facts=FACTS),)


def test_facts_are_read_once_for_ever() -> None:
    """A later question for them, or for another platform, reads no configuration again."""
    shelf = Shelf()
    (amd, _), (arm, _) = labelled(shelf), labelled(shelf, "linux/arm64")
    digest = shelf.index((amd, "linux/amd64"), (arm, "linux/arm64"))
    first, _ = look(shelf, digest, facts_of=("linux/amd64",))

    again, steps = look(shelf, digest, facts_of=("linux/amd64",), known=first)
    other, more = look(shelf, digest, "linux/arm64", facts_of=("linux/arm64",), known=first)

    assert (again, steps) == (first, [])
    assert [child.facts for child in other] == [FACTS, FACTS]
    assert len(more) == 3


def test_a_configuration_that_cannot_be_read_leaves_out_the_facts_alone() -> None:
    """Children are told though a configuration is cut, another one, or not to be had."""
    shelf = Shelf()
    digest, config = labelled(shelf)
    plain = Child(platform="", digest=digest, config_digest=config)
    body, kind = shelf.documents[config]
    bad = [
        Reply(200, {"content-type": (kind,)}, body[:-1], cut=True),
        Reply(200, {"content-type": (kind,)}, body + b" "),
        Reply(429),
        unknown("BLOB_UNKNOWN"),
    ]

    for reply in bad:
        told, _ = look_whole(
            lambda step, reply=reply: shelf(step) if "/blobs/" not in step.url.target else reply,
            digest,
            facts_of=("linux/amd64",),
        )
        assert told == Description((plain,))


def test_a_configuration_has_a_bound() -> None:
    """A larger configuration gives no facts."""
    shelf = Shelf()
    digest, _ = labelled(shelf)

    _, steps = look(shelf, digest, facts_of=("linux/amd64",))

    assert isinstance(steps[-1], Send)
    assert steps[-1].cap == CONFIG_CAP


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"[" * 100_000,
        b'{"config": [], "created": 7}',
        b'{"config": {"Labels": null}, "created": "0001-01-01T00:00:00Z"}',
        b'{"config": {"Labels": {"org.opencontainers.image.version": 3}}, "created": "soon"}',
        b'{"created": "1970-01-01T00:00:00Z"}',
        b'{"created": "2026-10-01T00:00:00"}',
        b'{"created": "9999-12-31T23:59:59-12:00"}',
        b'{"created": "\xff"}',
    ],
    ids=lambda body: ascii(body[:40]),
)
def test_a_configuration_that_makes_no_sense_says_nothing(body: bytes) -> None:
    """A senseless configuration was read, and is not asked for again."""
    assert read_config(body) == ImageFacts()


@given(st.dictionaries(st.sampled_from(sorted(LABELS)), st.text()), st.text())
def test_whatever_a_configuration_says_can_be_told(labels: dict[str, str], created: str) -> None:
    """Facts of a configuration are written and read again as they are."""
    facts = read_config(json.dumps({"created": created, "config": {"Labels": labels}}).encode())

    assert codec.decode(codec.encode(facts), ImageFacts) == facts


def test_a_question_without_facts_reads_no_configuration() -> None:
    """An ingest of before asks for none."""
    shelf = Shelf()
    digest, config = labelled(shelf)

    [child], steps = look(shelf, digest, "linux/amd64")

    assert (child.config_digest, child.facts, len(steps)) == (config, UNSET, 1)
