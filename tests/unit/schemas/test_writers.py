"""The JSON Schemas let through all that our programs write."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagedrift_agent.core import image_facts, messages
from imagedrift_agent.core.inventory import list_images
from imagedrift_agent.core.records import Container, EngineImage
from imagedrift_agent.core.snapshot import Snapshot
from imagedrift_resolver.core import answer as answers
from imagedrift_resolver.core.finding import answer
from imagedrift_resolver.core.reply import Reply
from imagedrift_schemas import codec
from imagedrift_schemas.reference import ImageReference
from imagedrift_schemas.v1 import Resolve
from support.samples import SAMPLES, Sample
from support.schemas import DIGESTS, REFERENCES, faults

NOW = datetime(2026, 11, 26, 2, 0, 0, 123456, tzinfo=UTC)
TAGGED = REFERENCES.filter(lambda text: "@" not in text)
TEXTS = st.one_of(st.text(max_size=8), st.just("x" * 5000), st.just("a\nb\x00\u202e"))
IMAGES = st.builds(
    EngineImage,
    id=DIGESTS,
    repo_tags=st.lists(st.one_of(TAGGED, TEXTS), max_size=3),
    repo_digests=st.lists(st.one_of(REFERENCES, TEXTS), max_size=3),
    created=st.one_of(
        TEXTS, st.sampled_from(["0001-01-01T00:00:00Z", "2026-11-26T02:00:00+09:00"])
    ),
    os=st.one_of(st.sampled_from(["linux", "Windows"]), TEXTS),
    architecture=st.one_of(st.sampled_from(["amd64", "x86_64", "ARM"]), TEXTS),
    variant=st.one_of(st.sampled_from(["", "v8", "7"]), TEXTS),
    size=st.integers(),
)
LABELS = st.dictionaries(
    st.sampled_from(["com.docker.compose.project", "com.docker.compose.service"]), TEXTS
)


@st.composite
def engines(draw: st.DrawFn) -> tuple[list[EngineImage], list[Container]]:
    """Make an engine's images, and containers made from them under names of theirs and others."""
    images = draw(st.lists(IMAGES, max_size=3, unique_by=lambda image: image.id))
    ids = st.sampled_from([image.id for image in images] or ["sha256:" + "0" * 64])
    made = st.builds(
        Container,
        id=st.text("abcdef", min_size=12, max_size=12),
        names=st.lists(TEXTS, max_size=2),
        image=st.one_of(REFERENCES, TEXTS),
        image_id=ids,
        state=st.sampled_from(["running", "exited"]),
        labels=LABELS,
    )
    return images, draw(st.lists(made, max_size=4))


@settings(max_examples=60)
@given(engines(), TEXTS)
def test_whatever_an_engine_says_becomes_an_inventory_by_the_schema(
    engine: tuple[list[EngineImage], list[Container]], text: str
) -> None:
    """Names, platforms, sizes and moments of an engine are valid, or are left out."""
    about = messages.HostProfile(
        site="fra1", host="web-1", boot="b", labels={"rack": image_facts.shown(text)}
    )
    snapshot = Snapshot(
        image_list=list_images(*engine),
        engine="docker",
        hostname=image_facts.shown(text),
        os="linux",
    )

    message = messages.inventory(about, snapshot, NOW)

    assert faults(codec.encode(message)) == []


def test_a_label_without_end_names_a_service_that_is_cut() -> None:
    """The purpose in a container's labels is bounded like every text of an engine."""
    identity = "sha256:" + "0" * 64
    labels = {"com.docker.compose.project": "p" * 5000, "com.docker.compose.service": "a\nb" * 5000}
    made = Container(id="a" * 12, image="nginx:1", image_id=identity, labels=labels)
    image_list = list_images([EngineImage(id=identity, repo_tags=["nginx:1"])], [made])
    snapshot = Snapshot(image_list=image_list, engine="docker")

    message = messages.inventory(messages.HostProfile(site="fra1", host="web-1"), snapshot, NOW)

    assert faults(codec.encode(message)) == []


@settings(max_examples=50)
@given(st.sampled_from(["", "sha256:" + "0" * 64]), TEXTS)
def test_a_heartbeat_is_by_the_schema(content: str, text: str) -> None:
    """A heartbeat of a host whose images are not known yet is by the schema, too."""
    about = messages.HostProfile(site="fra1", host="web-1", boot="b")

    message = messages.alive(about, content, 7, image_facts.shown(text), NOW)

    assert faults(codec.encode(message)) == []


@settings(max_examples=60)
@given(
    REFERENCES.filter(lambda text: _parsed(text) is not None),
    st.sampled_from([200, 401, 403, 404, 405, 408, 418, 429, 500, 503]),
    st.sampled_from(["", "x" * 9000, "a\x00\n", "text/html"]),
    st.sampled_from(["", "9999999999", "Fri, 31 Dec 9999 23:59:59 GMT", "-1", "nonsense"]),
)
def test_whatever_a_registry_says_becomes_an_answer_by_the_schema(
    reference: str, status: int, media_type: str, retry_after: str
) -> None:
    """Status, content type and time to wait are a registry's own, and can be anything."""
    parsed = ImageReference.parse(reference)
    question = Resolve(
        registry=parsed.registry,
        repository=parsed.repository,
        tag=parsed.tag or "latest",
        asked_at=NOW,
        fresh_since=NOW,
    )
    reply = Reply(
        status, {"content-type": (media_type,), "retry-after": (retry_after,)}, body=b"{}"
    )

    message = answer(question, answers.of_get(reply, NOW), None, NOW, "team (a/b)")

    assert faults(codec.encode(question)) == []
    assert faults(codec.encode(message)) == []


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_every_sample_written_anew_is_by_the_schema(sample: Sample) -> None:
    """A message of any version is written again in a form that the schema lets through."""
    assert faults(codec.encode(codec.decode(sample.payload, sample.message))) == []


def _parsed(text: str) -> Any:
    try:
        return ImageReference.parse(text)
    except ValueError:
        return None
