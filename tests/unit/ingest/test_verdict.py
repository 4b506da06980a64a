"""The verdict's truth table, row by row, and the laws that hold for every row."""

from hypothesis import given
from hypothesis import strategies as st

from imagedrift_ingest.core.verdict import (
    FAILURES,
    FailureKind,
    LocalSide,
    RemoteSide,
    Verdict,
    judge,
    remote_side_of,
)
from imagedrift_schemas.v1 import Child, Denied, Missing
from support.ingest import answer, digest

OLD, NEW, ID = digest("old"), digest("new"), digest("id")
PULLED = LocalSide(image_id=ID, repo_digests=(OLD,))
INDEX = (
    Child(platform="linux/arm64", digest=digest("arm"), config_digest=digest("arm id")),
    Child(platform="unknown/unknown", digest=digest("attestation")),
    Child(platform="linux/amd64", digest=digest("amd"), config_digest=ID),
)


def verdict_of(
    local: LocalSide, known: RemoteSide | None, inside: tuple[Child, ...] | None = None
) -> str:
    """The verdict and reason as one word."""
    judged = judge(local, known, inside)
    return f"{judged.verdict}/{judged.reason}"


def test_a_reference_by_digest_is_pinned_whatever_the_registry_says() -> None:
    """A reference by digest is pinned, whatever the registry answers."""
    pinned = LocalSide(image_id=ID, repo_digests=(OLD,), pinned=True)
    assert verdict_of(pinned, RemoteSide(digest=NEW)) == "pinned/by_digest"


def test_an_image_without_a_repo_digest_is_local() -> None:
    """An image without a repo digest is local."""
    assert verdict_of(LocalSide(image_id=ID), RemoteSide(digest=NEW)) == "local/no_repo_digest"


def test_an_image_of_its_own_machine_is_refused() -> None:
    """An image of `localhost` is refused."""
    bound = LocalSide(image_id=ID, repo_digests=(OLD,), machine_bound=True)
    judged = judge(bound, RemoteSide(digest=OLD))
    assert (judged.verdict, judged.reason) == ("unknown", "refused")
    assert "never asked" in judged.error


def test_a_tag_nobody_asked_about_is_unknown() -> None:
    """A tag without an answer is unknown."""
    assert verdict_of(PULLED, None) == verdict_of(PULLED, RemoteSide()) == "unknown/not_checked"


def test_a_tag_that_was_never_found_is_unknown_for_the_reason_of_the_failure() -> None:
    """A tag that was never found is unknown, with the failure as reason."""
    for failure in FAILURES:
        judged = judge(PULLED, RemoteSide(failure=failure, error="why"))
        assert judged == Verdict(verdict="unknown", reason=failure, error="why")


def test_a_tag_that_is_gone_is_missing() -> None:
    """A tag that is gone is missing, even with its last digest known."""
    assert verdict_of(PULLED, RemoteSide(gone=True)) == "missing/not_found"
    assert verdict_of(PULLED, RemoteSide(gone=True, digest=OLD)) == "missing/not_found"


def test_an_image_that_knows_the_tags_digest_is_current() -> None:
    """An image with the tag's digest among its own is current."""
    several = LocalSide(image_id=ID, repo_digests=(OLD, NEW))
    by_manifest = LocalSide(image_id=ID, repo_digests=(OLD,), manifest_digest=NEW)
    assert verdict_of(several, RemoteSide(digest=NEW)) == "current/digest_match"
    assert verdict_of(by_manifest, RemoteSide(digest=NEW)) == "current/digest_match"


def test_the_image_id_is_never_taken_for_a_repo_digest() -> None:
    """An image id that equals the tag's digest does not make an image current."""
    assert verdict_of(PULLED, RemoteSide(digest=ID)) == "outdated/digest_differs"


def test_another_digest_is_outdated_until_it_is_described() -> None:
    """Another digest is outdated while its content is unknown."""
    arm = (INDEX[0],)
    assert verdict_of(PULLED, RemoteSide(digest=NEW)) == "outdated/digest_differs"
    assert verdict_of(PULLED, RemoteSide(digest=NEW), arm) == "outdated/digest_differs"


def test_an_index_that_moved_for_another_platform_outdates_nobody() -> None:
    """An index that moved for another platform leaves the image current."""
    by_digest = LocalSide(image_id=digest("x"), repo_digests=(OLD, digest("amd")))
    by_manifest = LocalSide(
        image_id=digest("x"), repo_digests=(OLD,), manifest_digest=digest("amd")
    )
    for local in (PULLED, by_digest, by_manifest):
        assert verdict_of(local, RemoteSide(digest=NEW), INDEX) == "current/platform_match"


def test_a_child_that_is_another_image_confirms_outdated() -> None:
    """Another image for the platform confirms outdated."""
    other = LocalSide(image_id=digest("other"), repo_digests=(OLD,))
    without_config = (Child(platform="linux/amd64", digest=digest("amd")),)
    by_manifest = LocalSide(image_id=ID, repo_digests=(OLD,), manifest_digest=digest("mine"))
    assert verdict_of(other, RemoteSide(digest=NEW), INDEX) == "outdated/platform_differs"
    assert (
        verdict_of(by_manifest, RemoteSide(digest=NEW), without_config)
        == "outdated/platform_differs"
    )
    assert verdict_of(PULLED, RemoteSide(digest=NEW), without_config) == "outdated/digest_differs"


def test_an_older_variant_of_the_platform_is_what_the_machine_runs() -> None:
    """An arm/v7 image is compared with the arm/v6 child when there is no closer one."""
    v6 = (Child(platform="linux/arm/v6", digest=digest("v6"), config_digest=ID),)
    local = LocalSide(image_id=ID, repo_digests=(OLD,), platform="linux/arm/v7")
    assert verdict_of(local, RemoteSide(digest=NEW), v6) == "current/platform_match"


def test_what_is_known_is_taken_from_a_single_answer() -> None:
    """A found, missing or failed answer is enough for a verdict."""
    assert remote_side_of(answer(version=1)).digest == answer(version=1).last_digest
    assert remote_side_of(answer(outcome=Missing(reason="no tag"), last_digest=OLD)) == RemoteSide(
        digest=OLD, gone=True, error="no tag"
    )
    assert remote_side_of(answer(outcome=Denied())) == RemoteSide(failure="denied", error="denied")


digests = st.sampled_from([OLD, NEW, ID, digest("amd"), digest("else")])
locals_ = st.builds(
    LocalSide,
    image_id=digests,
    repo_digests=st.lists(digests, max_size=3, unique=True).map(tuple),
    platform=st.sampled_from(["linux/amd64", "linux/arm64", "nonsense"]),
    manifest_digest=st.sampled_from(["", NEW, digest("amd")]),
    pinned=st.booleans(),
    machine_bound=st.booleans(),
    digest_lost=st.booleans(),
)
insides = st.none() | st.lists(st.sampled_from(INDEX), max_size=3).map(tuple)


@given(local=locals_, found=digests, failure=st.sampled_from(FAILURES), inside=insides)
def test_a_failure_never_changes_a_verdict(
    local: LocalSide, found: str, failure: FailureKind, inside: tuple[Child, ...] | None
) -> None:
    """P1: a failure leaves verdict and reason as they were."""
    before = judge(local, RemoteSide(digest=found), inside)
    after = judge(local, RemoteSide(digest=found, failure=failure, error="why"), inside)
    assert (after.verdict, after.reason) == (before.verdict, before.reason)
    assert after.stale == (after.verdict in ("current", "outdated"))


@given(local=locals_, failure=st.sampled_from(FAILURES), inside=insides)
def test_a_failure_alone_is_never_current_nor_outdated(
    local: LocalSide, failure: FailureKind, inside: tuple[Child, ...] | None
) -> None:
    """P1: failures alone make no image current or outdated."""
    assert judge(local, RemoteSide(failure=failure), inside).verdict in (
        "pinned",
        "local",
        "unknown",
    )


@given(local=locals_, found=digests, inside=insides, gone=st.booleans())
def test_every_verdict_has_one_of_the_contracts_reasons(
    local: LocalSide, found: str, inside: tuple[Child, ...] | None, gone: bool
) -> None:
    """Every verdict has a reason of the contract's table."""
    allowed = {
        "current": {"digest_match", "platform_match"},
        "outdated": {"digest_differs", "platform_differs"},
        "pinned": {"by_digest"},
        "local": {"no_repo_digest"},
        "missing": {"not_found"},
        "unknown": {"not_checked", "refused", "digest_lost"},
    }
    judged = judge(local, RemoteSide(digest=found, gone=gone), inside)
    assert judged.reason in allowed[judged.verdict]
