"""Questions, changes and dead letters on a real stream: stored, refused, or kept for later."""

from imagedrift_ingest.adapters.jetstream.publishers import (
    DeadLetterPublisher,
    QuestionPublisher,
)
from imagedrift_ingest.core.lanes import lists_of
from imagedrift_schemas import subjects
from imagedrift_schemas.v1 import DeadLetter, List, Resolve
from support.ingest import NOW, Fleet
from support.nats_client import jetstream


def question(registry: str) -> Resolve:
    """A question about a tag of a registry."""
    return Resolve(registry=registry, repository="a/b", tag="1", asked_at=NOW, fresh_since=NOW)


def publisher(agents: Fleet, missing: str = "") -> QuestionPublisher:
    """A publisher for whom each registry has the lane of its name's first part."""
    return QuestionPublisher(
        agents.bus,
        lane_of=lambda registry: registry.partition(".")[0],
        is_missing=lambda lane: lane == missing,
        ttl_s=60,
        list_ttl_s=60,
    )


async def test_a_question_is_stored_once_while_it_waits(agents: Fleet) -> None:
    """The stream holds the same question no second time."""
    publish = publisher(agents).publish

    assert await publish([question("hub.io"), question("ghcr.io")]) == ["asked", "asked"]
    assert await publish([question("hub.io")]) == ["already_there"]
    assert await agents.asked("hub.io/a/b:1", "hub") == question("hub.io")


async def test_a_lane_without_a_consumer_gets_no_question(agents: Fleet) -> None:
    """The question stays due; other lanes get theirs."""
    outcomes = await publisher(agents, missing="hub").publish(
        [question("hub.io"), question("ghcr.io")]
    )

    assert outcomes == ["failed", "asked"]
    assert await agents.asked("hub.io/a/b:1", "hub") is None


async def test_lists_without_a_consumer_are_not_asked_for(agents: Fleet) -> None:
    """A lane whose lists no consumer delivers gets its other questions."""
    tags = List(registry="hub.io", repository="a/b", asked_at=NOW, fresh_since=NOW)

    outcomes = await publisher(agents, missing=lists_of("hub")).publish([tags, question("hub.io")])

    assert outcomes == ["failed", "asked"]


async def test_a_question_that_no_stream_takes_has_failed(agents: Fleet) -> None:
    """Here the stream of questions is gone."""
    await jetstream(agents.bus).delete_stream(subjects.STREAM_LOOKUP)

    assert await publisher(agents).publish([question("hub.io")]) == ["failed"]


async def test_a_letter_that_cannot_be_published_is_given_back(agents: Fleet) -> None:
    """A letter is stored once however often it is published; one that is not stored comes back."""
    first, second = (
        DeadLetter(
            service="ingest",
            stream="",
            subject=f"drift.v1.alive.a.{host}",
            reason="malformed",
            error="no",
            payload=b"x",
            received_at=NOW,
        )
        for host in ("b", "c")
    )
    publish = DeadLetterPublisher(agents.bus).publish

    assert not await publish([first, second, first])
    stored = await jetstream(agents.bus).stream_info(subjects.STREAM_DEAD)
    await jetstream(agents.bus).delete_stream(subjects.STREAM_DEAD)

    assert list(await publish([first, second])) == [first, second]
    assert stored.state.messages == 2
