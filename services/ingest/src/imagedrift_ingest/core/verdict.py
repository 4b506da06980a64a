"""The verdict: one local image held against the last answer about its tag. The only such place.

The first row that fits decides:

| local image            | what is known of the tag              | verdict  | reason           |
|------------------------|---------------------------------------|----------|------------------|
| named by digest        | anything                              | pinned   | by_digest        |
| never had a digest     | anything                              | local    | no_repo_digest   |
| of its own machine     | anything                              | unknown  | refused          |
| its digest is lost     | it is the digest                      | current  | digest_match     |
| its digest is lost     | it is a child of the digest           | current  | platform_match   |
| its digest is lost     | anything else                         | unknown  | digest_lost      |
| any                    | last conclusive answer: no such tag   | missing  | not_found        |
| any                    | no digest, no answer                  | unknown  | not_checked      |
| any                    | no digest, a failure                  | unknown  | that failure     |
| knows the digest       | a digest                              | current  | digest_match     |
| is a child             | a digest, described                   | current  | platform_match   |
| is none of its children| a digest, described                   | outdated | platform_differs |
| cannot be told         | a digest, described or not            | outdated | digest_differs   |

Rules:
- Identity goes before platform. An image that *is* a child of the tag's digest, by its manifest or
  by its configuration, is current, whatever platform either side claims: indexes list several
  children of one platform, leave the platform out, or name another one than the image does.
- "Is none of its children" needs a comparison that could have come out equal: the host names the
  manifest, or it names the configuration and that of every child was read. An engine that names
  an image by the digest of its index says neither.
- A failure never changes a verdict (P1): the digest found last, or the fact that there was no such
  tag, stands, and the verdict is marked `stale` with the failure in `error`.
- An image whose digest the engine has forgotten may have been built on its host. It can be found
  to be the tag's image, but no difference proves that it was ever replaced.
"""

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias, cast, get_args

from msgspec import Struct

from imagedrift_ingest.core.described_content import DescribedContent
from imagedrift_schemas.reference import ImageReference
from imagedrift_schemas.v1 import Answer, Child, Failure, Found, LocalImage, Missing

VerdictName: TypeAlias = Literal["current", "outdated", "pinned", "local", "missing", "unknown"]
FailureKind: TypeAlias = Literal[
    "denied", "limited", "unreachable", "refused", "unsupported", "invalid"
]
Reason: TypeAlias = (
    FailureKind
    | Literal[
        "by_digest",
        "no_repo_digest",
        "digest_match",
        "platform_match",
        "digest_lost",
        "not_found",
        "not_checked",
        "platform_differs",
        "digest_differs",
    ]
)
FAILURES: Final[tuple[FailureKind, ...]] = get_args(FailureKind)

MACHINE_BOUND: Final = (
    "the registry's name means another machine on every host: never asked centrally"
)
DIGEST_LOST: Final = (
    "the engine no longer knows under which digest it got this image: pull the tag again, "
    "and recreate the container"
)


class LocalSide(Struct, frozen=True, kw_only=True):
    """The local side of a comparison: what counts of an image on a host."""

    image_id: str
    repo_digests: tuple[str, ...] = ()
    platform: str = "linux/amd64"
    manifest_digest: str = ""
    pinned: bool = False
    machine_bound: bool = False
    """Its registry is known to its host alone, and is not configured."""
    digest_lost: bool = False
    """It has no repo digest because the engine has forgotten it."""


class RemoteSide(Struct, frozen=True, kw_only=True):
    """The remote side of a comparison: a tag's last conclusive answer, and a failure since."""

    digest: str = ""
    """Found last; kept when the tag is gone."""
    gone: bool = False
    """The last conclusive answer was that there is no such tag."""
    failure: FailureKind | None = None
    """Kind of failure of the newest check; None when that was conclusive."""
    error: str = ""

    @property
    def is_answered(self) -> bool:
        """Tell whether there was ever a conclusive answer."""
        return bool(self.digest) or self.gone

    @property
    def is_stale(self) -> bool:
        """Tell whether the facts are from before a failure."""
        return self.is_answered and self.failure is not None


class Verdict(Struct, frozen=True, kw_only=True):
    """A verdict, its reason, and whether it is from before a failure."""

    verdict: VerdictName
    reason: Reason
    stale: bool = False
    error: str = ""


def local_side_of(
    reference: ImageReference, image: LocalImage, *, machine_bound: bool
) -> LocalSide:
    """Take the fields that count from a reported image."""
    return LocalSide(
        image_id=image.image_id,
        repo_digests=image.repo_digests,
        platform=image.platform,
        manifest_digest=image.manifest_digest,
        pinned=reference.is_pinned,
        machine_bound=machine_bound,
        digest_lost=image.digest_lost is True,
    )


def remote_side_of(answer: Answer) -> RemoteSide:
    """Take the facts of a tag from a single answer."""
    match answer.outcome:
        case Found(digest=digest):
            return RemoteSide(digest=digest)
        case Missing(reason=reason):
            return RemoteSide(digest=answer.last_digest, gone=True, error=reason)
        case failure:
            kind = kind_of(failure)
            error = failure.reason or kind
            return RemoteSide(digest=answer.last_digest, failure=kind, error=error)


def kind_of(failure: Failure) -> FailureKind:
    """Return the kind of a failure."""
    return cast(FailureKind, failure.__struct_config__.tag)


NOT_DESCRIBED: Final = DescribedContent()


def judge(
    local: LocalSide,
    remote: RemoteSide | None,
    inside: DescribedContent | Sequence[Child] | None = None,
) -> Verdict:
    """Compare both sides; `inside` is the content of the digest that the tag points to."""
    if local.pinned:
        return Verdict(verdict="pinned", reason="by_digest")
    if not local.repo_digests and not local.digest_lost:
        return Verdict(verdict="local", reason="no_repo_digest")
    if local.machine_bound:
        return Verdict(verdict="unknown", reason="refused", error=MACHINE_BOUND)
    remote = remote or RemoteSide()
    if not isinstance(inside, DescribedContent):
        inside = DescribedContent(inside) if inside else NOT_DESCRIBED
    if not local.repo_digests:
        return _judge_lost(local, remote, inside)
    if not remote.is_answered:
        reason = remote.failure or "not_checked"
        return Verdict(verdict="unknown", reason=reason, error=remote.error)
    return _verdict(*_compare(local, remote, inside), remote)


def _verdict(verdict: VerdictName, reason: Reason, remote: RemoteSide) -> Verdict:
    return Verdict(verdict=verdict, reason=reason, stale=remote.is_stale, error=remote.error)


def _judge_lost(local: LocalSide, remote: RemoteSide, inside: DescribedContent) -> Verdict:
    """Judge an image whose digest is lost: it is the tag's image, or nothing is known of it."""
    ours = {local.image_id, local.manifest_digest} - {""}
    if not remote.gone and remote.digest:
        if remote.digest in ours:
            return _verdict("current", "digest_match", remote)
        if inside.has_any_of(ours):
            return _verdict("current", "platform_match", remote)
    return Verdict(verdict="unknown", reason="digest_lost", error=DIGEST_LOST)


def _compare(
    local: LocalSide, remote: RemoteSide, inside: DescribedContent
) -> tuple[VerdictName, Reason]:
    if remote.gone:
        return "missing", "not_found"
    if remote.digest in local.repo_digests or remote.digest == local.manifest_digest:
        return "current", "digest_match"
    ours = {local.image_id, local.manifest_digest, *local.repo_digests} - {""}
    if inside.has_any_of(ours):
        return "current", "platform_match"
    return "outdated", "platform_differs" if _is_told_apart(local, inside) else "digest_differs"


def _is_told_apart(local: LocalSide, inside: DescribedContent) -> bool:
    """Tell whether the image would have been found, were it one of the children."""
    if not inside.has_child_for(local.platform) or inside.has_unread_index:
        return False
    if local.manifest_digest:
        return True
    is_named_by_manifest = local.image_id in local.repo_digests
    return not is_named_by_manifest and inside.has_every_configuration
