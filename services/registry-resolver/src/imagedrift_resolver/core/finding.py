"""The result of asking a registry, and the answer that is made of it.

A failure keeps what earlier answers told: the last digest, and the children of a digest.
"""

from datetime import datetime
from typing import TypeAlias

from imagedrift_resolver.core.description import Description
from imagedrift_resolver.core.listing import Listing, listed
from imagedrift_schemas.v1 import (
    Answer,
    AnyAnswer,
    Describe,
    Described,
    Failure,
    Found,
    List,
    Listed,
    Outcome,
    Question,
    Resolve,
)

AnyQuestion: TypeAlias = Question | List
CachedAnswer: TypeAlias = AnyAnswer | Listed
"""A question, and its answer, of each kind that the resolver knows."""

Finding: TypeAlias = Outcome | Description | Listing
"""An outcome for a `Resolve`. For a `Describe` a description, for a `List` a listing, or the
failure alone."""


def failure_of(finding: Finding) -> Failure | None:
    """Return why a registry could not be asked, or did not answer well; None when it did."""
    match finding:
        case Description(failure=failure) | Listing(failure=failure):
            return failure
        case Found():
            return None
        case _:
            return finding


def answer_to(
    question: AnyQuestion,
    finding: Finding,
    previous: CachedAnswer | None,
    checked_at: datetime,
    credential: str,
) -> CachedAnswer:
    """Make the answer to keep. `previous`: the last answer, where this one may inherit from it."""
    match question:
        case Resolve():
            assert not isinstance(finding, Description | Listing), "a tag is resolved"
            last = previous if isinstance(previous, Answer) else None
            return answer(question, finding, last, checked_at, credential)
        case Describe():
            assert not isinstance(finding, Found | Listing), "a digest is described"
            before = previous if isinstance(previous, Described) else None
            whole = finding if isinstance(finding, Description) else Description(failure=finding)
            return described(question, whole, before, checked_at, credential)
        case List():
            assert not isinstance(finding, Found | Description), "a repository is listed"
            last_list = previous if isinstance(previous, Listed) else None
            listing = finding if isinstance(finding, Listing) else Listing(failure=finding)
            return listed(question, listing, last_list, checked_at, credential)


def answer(
    question: Resolve,
    outcome: Outcome,
    previous: Answer | None,
    checked_at: datetime,
    credential: str,
) -> Answer:
    """Make the answer to a `Resolve`: a failure keeps the digest found last, and counts."""
    found = outcome.digest if isinstance(outcome, Found) else ""
    last_digest = previous.last_digest if previous else ""
    last_found_at = previous.last_found_at if previous else None
    return Answer(
        registry=question.registry,
        repository=question.repository,
        tag=question.tag,
        checked_at=checked_at,
        outcome=outcome,
        last_digest=found or last_digest or question.last_digest,
        last_found_at=checked_at if found else last_found_at,
        credential=credential,
        failures=0 if found else 1 + (previous.failures if previous else 0),
    )


def described(
    question: Describe,
    description: Description,
    previous: Described | None,
    checked_at: datetime,
    credential: str,
) -> Described:
    """Make the answer to a `Describe`: a failure keeps the children that were known before."""
    kept = previous.children if previous else ()
    return Described(
        registry=question.registry,
        repository=question.repository,
        digest=question.digest,
        checked_at=checked_at,
        children=description.children or kept,
        failure=description.failure,
        credential=credential,
    )
