"""When the shared cache answers a question already, and whom it may be shown to."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from imagedrift_resolver.core.description import Description
from imagedrift_resolver.core.finding import answer, described
from imagedrift_resolver.core.freshness import (
    is_described,
    is_enough,
    is_fresh,
    may_inherit,
    may_serve,
    overtakes,
)
from imagedrift_schemas.tags.version import GRAMMAR
from imagedrift_schemas.v1 import (
    Answer,
    Child,
    Denied,
    Describe,
    Described,
    Found,
    ImageFacts,
    List,
    Listed,
    Resolve,
    TagTrack,
    Unreachable,
)

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DIGEST = f"sha256:{'a' * 64}"
QUESTION = Resolve(registry="ghcr.io", repository="a/b", tag="1", asked_at=NOW, fresh_since=NOW)
DESCRIBE = Describe(registry="ghcr.io", repository="a/b", digest=DIGEST, asked_at=NOW)


def answer_after(seconds: float = 0, credential: str = "anonymous", digest: str = DIGEST) -> Answer:
    """An answer of so many seconds after the question."""
    at = NOW + timedelta(seconds=seconds)
    return answer(QUESTION, Found(digest=digest), None, at, credential)


def test_an_answer_counts_from_the_moment_before_its_request() -> None:
    """An answer counts from the time before its request."""
    assert is_fresh(answer_after(0), QUESTION, "anonymous", NOW)
    assert is_fresh(answer_after(1), QUESTION, "anonymous", NOW)
    assert not is_fresh(answer_after(-0.001), QUESTION, "anonymous", NOW)
    assert not is_fresh(None, QUESTION, "anonymous", NOW)


def test_an_answer_from_the_future_is_none() -> None:
    """An answer from the future does not count, but for a little skew."""
    assert is_fresh(answer_after(59), QUESTION, "anonymous", NOW)
    assert not is_fresh(answer_after(61), QUESTION, "anonymous", NOW)
    assert overtakes(answer_after(59), answer_after(0), NOW)
    assert not overtakes(answer_after(61), answer_after(0), NOW)
    assert not overtakes(answer_after(0), answer_after(1), NOW)
    failed = described(
        DESCRIBE,
        Description(failure=Unreachable(reason="x")),
        None,
        answer_after(61).checked_at,
        "anonymous",
    )
    assert not is_described(failed, DESCRIBE, "anonymous", NOW)


@pytest.mark.parametrize(
    ("got_with", "asker", "served"),
    [
        ("anonymous", "anonymous", True),
        ("anonymous", "me", True),
        ("me", "me", True),
        ("me", "anonymous", False),
        ("me", "you", False),
    ],
)
def test_what_a_credential_opened_is_shown_to_it_alone(
    got_with: str, asker: str, served: bool
) -> None:
    """P7: an answer got with a credential is served only with that credential."""
    assert may_serve(answer_after(credential=got_with), asker) is served
    assert is_fresh(answer_after(1, got_with), QUESTION, asker, NOW) is served


def test_an_anonymous_denial_does_not_answer_who_has_a_credential() -> None:
    """An anonymous denial is no answer once there is a credential."""
    denied = answer(QUESTION, Denied(reason="x"), None, NOW, "anonymous")
    assert not is_fresh(denied, QUESTION, "me", NOW)
    assert is_fresh(denied, QUESTION, "anonymous", NOW)


def test_a_failure_keeps_what_was_found_last() -> None:
    """P1: a failure keeps the digest found last."""
    first = answer_after(0)
    one = answer(QUESTION, Unreachable(reason="x"), first, NOW + timedelta(hours=1), "anonymous")
    two = answer(QUESTION, Unreachable(reason="x"), one, NOW + timedelta(hours=2), "anonymous")
    assert (two.last_digest, two.last_found_at, two.failures) == (DIGEST, NOW, 2)
    again = answer(QUESTION, Found(digest="sha256:b"), two, NOW + timedelta(hours=3), "anonymous")
    assert (again.last_digest, again.failures) == ("sha256:b", 0)


def test_without_an_answer_before_the_questions_own_knowledge_is_kept() -> None:
    """Without a cached answer the question's own last digest is kept."""
    asked = replace(QUESTION, last_digest=DIGEST)
    made = answer(asked, Unreachable(reason="x"), None, NOW, "anonymous")
    assert (made.last_digest, made.failures) == (DIGEST, 1)


def test_a_private_digest_does_not_live_on_in_an_anonymous_answer() -> None:
    """A digest that a credential opened is not inherited by an answer that anybody may see."""
    assert may_inherit(answer_after(), "me")
    assert may_inherit(answer_after(credential="me"), "me")
    assert not may_inherit(answer_after(credential="me"), "anonymous")


OTHER = f"sha256:{'b' * 64}"
AMD = Child(platform="linux/amd64", digest=DIGEST)
ARM = Child(platform="linux/arm64", digest=DIGEST, config_digest=DIGEST)
KNOWN = described(DESCRIBE, Description((AMD, ARM)), None, NOW, "anonymous")
LATER = NOW + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("platforms", "done"),
    [
        ((), True),
        (("linux/arm64",), True),
        (("linux/arm64/v8",), True),
        (("linux/amd64",), False),
        (("windows/amd64",), True),
        (("nonsense",), True),
    ],
)
def test_a_digest_is_looked_into_once(platforms: tuple[str, ...], done: bool) -> None:
    """A digest is described again only for an unread configuration."""
    question = replace(DESCRIBE, platforms=platforms, asked_at=LATER)
    assert is_described(KNOWN, question, "anonymous", LATER) is done


@pytest.mark.parametrize(
    ("image_ids", "done"), [((DIGEST,), True), ((OTHER,), False), ((DIGEST, OTHER), False)]
)
def test_an_image_id_is_looked_for_until_every_child_was_read(
    image_ids: tuple[str, ...], done: bool
) -> None:
    """An image id is searched until it is found or every child was read."""
    question = replace(DESCRIBE, image_ids=image_ids, asked_at=LATER)
    assert is_described(KNOWN, question, "anonymous", LATER) is done
    whole = described(DESCRIBE, Description((ARM,)), None, NOW, "anonymous")
    assert is_described(whole, question, "anonymous", LATER)


def test_a_question_is_not_asked_again_for_what_it_could_not_find() -> None:
    """A description made after the question answers it, with unread children too."""
    question = replace(DESCRIBE, image_ids=(OTHER,), asked_at=NOW)
    assert is_described(KNOWN, question, "anonymous", NOW)


def test_a_description_without_the_facts_asked_for_is_made_again_once() -> None:
    """A description made after the question is its answer, also where facts could not be read."""
    question = replace(DESCRIBE, facts_of=("linux/arm64",), asked_at=LATER)
    with_facts = replace(ARM, facts=ImageFacts())
    told = described(DESCRIBE, Description((AMD, with_facts)), None, NOW, "anonymous")
    assert not is_described(KNOWN, question, "anonymous", LATER)
    assert is_described(replace(KNOWN, checked_at=LATER), question, "anonymous", LATER)
    assert is_described(told, question, "anonymous", LATER)
    assert is_described(KNOWN, replace(question, facts_of=("windows/amd64",)), "anonymous", LATER)


def test_a_failed_description_is_tried_when_it_is_asked_for_again() -> None:
    """A failed description is tried again with the next question, and keeps its children."""
    failed = described(
        DESCRIBE, Description(failure=Unreachable(reason="x")), KNOWN, NOW, "anonymous"
    )
    assert failed.children == (AMD, ARM)
    assert is_described(failed, DESCRIBE, "anonymous", NOW)
    later = replace(DESCRIBE, asked_at=NOW + timedelta(seconds=1))
    assert not is_described(failed, later, "anonymous", NOW)
    assert not is_described(None, DESCRIBE, "anonymous", NOW)
    assert isinstance(failed, Described)


LIST = List(
    registry="ghcr.io", repository="a/b", asked_at=LATER, fresh_since=NOW, tags=("1.2", "1.2-slim")
)
TAGS = Listed(
    registry="ghcr.io",
    repository="a/b",
    checked_at=NOW,
    tracks=(TagTrack(names=("1.3",)), TagTrack(names=())),
)


def test_a_list_is_fresh_like_any_answer() -> None:
    """A list counts from the time before its request, unless it is from the future."""
    assert is_enough(TAGS, LIST, "anonymous", NOW)
    assert is_enough(TAGS, LIST, "me", NOW)
    assert not is_enough(replace(TAGS, checked_at=NOW - SECOND), LIST, "anonymous", NOW)
    assert not is_enough(replace(TAGS, checked_at=NOW + 90 * SECOND), LIST, "anonymous", NOW)
    assert not is_enough(replace(TAGS, credential="me"), LIST, "anonymous", NOW)
    assert not is_enough(replace(TAGS, failure=Unreachable()), LIST, "me", NOW)


def test_a_list_that_was_cut_is_made_again_once_for_a_track_that_it_lacks() -> None:
    """A list made after the question is its answer, also where it has no room for a track."""
    cut = replace(TAGS, cut=True)

    assert not is_enough(cut, LIST, "anonymous", LATER)
    assert is_enough(cut, replace(LIST, tags=("1.2", "latest")), "anonymous", LATER)
    assert is_enough(replace(cut, checked_at=LATER), LIST, "anonymous", LATER)


def test_a_list_that_another_grammar_cut_is_made_again_once() -> None:
    """A resolver that reads tags in another way lists anew, and then no more for that question."""
    other = replace(TAGS, grammar=GRAMMAR + 1)

    assert not is_enough(other, LIST, "anonymous", LATER)
    assert is_enough(replace(other, checked_at=LATER), LIST, "anonymous", LATER)


def test_an_answer_of_another_kind_is_none() -> None:
    """A list does not answer a question about a tag."""
    assert not is_enough(TAGS, QUESTION, "anonymous", NOW)
