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
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from imagedrift_schemas.errors import BadPlatform
from imagedrift_schemas.platform import Platform, best
from imagedrift_schemas.reference import ImageReference
from imagedrift_schemas.v1 import Answer, Child, Found, LocalImage, Missing

Verdict: TypeAlias = Literal["current", "outdated", "pinned", "local", "missing", "unknown"]
FAILURES: Final = ("denied", "limited", "unreachable", "refused", "unsupported", "invalid")

MACHINE_BOUND: Final = (
    "the registry's name means another machine on every host: never asked centrally"
)
DIGEST_LOST: Final = (
    "the engine no longer knows under which digest it got this image: pull the tag again, "
    "and recreate the container"
)


class Local(Struct, frozen=True, kw_only=True):
    """What counts of a local image."""

    image_id: str
    repo_digests: tuple[str, ...] = ()
    platform: str = "linux/amd64"
    manifest_digest: str = ""
    pinned: bool = False
    machine_bound: bool = False
    """Its registry is known to its host alone, and is not configured."""
    digest_lost: bool = False
    """It has no repo digest because the engine has forgotten it."""


class Known(Struct, frozen=True, kw_only=True):
    """What is known of a tag: the last conclusive answer, and the failure since, if any."""

    digest: str = ""
    """Found last; kept when the tag is gone."""
    gone: bool = False
    """The last conclusive answer was that there is no such tag."""
    failure: str = ""
    """Kind of failure of the newest check; empty when that was conclusive."""
    error: str = ""


class Judgement(Struct, frozen=True, kw_only=True):
    """A verdict, its reason, and whether it is from before a failure."""

    verdict: Verdict
    reason: str
    stale: bool = False
    error: str = ""


def local_of(reference: ImageReference, image: LocalImage, *, machine_bound: bool) -> Local:
    """Take from a reported image what counts."""
    return Local(
        image_id=image.image_id,
        repo_digests=image.repo_digests,
        platform=image.platform,
        manifest_digest=image.manifest_digest,
        pinned=reference.is_pinned,
        machine_bound=machine_bound,
        digest_lost=image.digest_lost is True,
    )


def known_of(answer: Answer) -> Known:
    """Take from a single answer what is known of its tag."""
    match answer.outcome:
        case Found(digest=digest):
            return Known(digest=digest)
        case Missing(reason=reason):
            return Known(digest=answer.last_digest, gone=True, error=reason)
        case failure:
            kind = str(failure.__struct_config__.tag)
            return Known(digest=answer.last_digest, failure=kind, error=failure.reason or kind)


def judge(local: Local, known: Known | None, inside: Sequence[Child] | None = None) -> Judgement:
    """Hold `local` against what is `known` of its tag; `inside` is what the tag's digest holds."""
    if local.pinned:
        return Judgement(verdict="pinned", reason="by_digest")
    if not local.repo_digests and not local.digest_lost:
        return Judgement(verdict="local", reason="no_repo_digest")
    if local.machine_bound:
        return Judgement(verdict="unknown", reason="refused", error=MACHINE_BOUND)
    known = known or Known()
    if not local.repo_digests:
        return _lost(local, known, inside or ())
    answered = bool(known.digest or known.gone)
    verdict, reason = _compare(local, known, inside or ()) if answered else _unanswered(known)
    stale = answered and bool(known.failure)
    return Judgement(verdict=verdict, reason=reason, stale=stale, error=known.error)


def _unanswered(known: Known) -> tuple[Verdict, str]:
    return "unknown", known.failure or "not_checked"


def _lost(local: Local, known: Known, inside: Sequence[Child]) -> Judgement:
    """Judge an image whose digest is lost: it is the tag's image, or nothing is known of it."""
    ours = {local.image_id, local.manifest_digest} - {""}
    stale = bool(known.failure)
    if known.gone or not known.digest:
        return Judgement(verdict="unknown", reason="digest_lost", error=DIGEST_LOST)
    if known.digest in ours:
        return Judgement(verdict="current", reason="digest_match", stale=stale, error=known.error)
    if _is_child(ours, inside):
        return Judgement(verdict="current", reason="platform_match", stale=stale, error=known.error)
    return Judgement(verdict="unknown", reason="digest_lost", error=DIGEST_LOST)


def _compare(local: Local, known: Known, inside: Sequence[Child]) -> tuple[Verdict, str]:
    if known.gone:
        return "missing", "not_found"
    if known.digest in local.repo_digests or known.digest == local.manifest_digest:
        return "current", "digest_match"
    ours = {local.image_id, local.manifest_digest, *local.repo_digests} - {""}
    if _is_child(ours, inside):
        return "current", "platform_match"
    return "outdated", "platform_differs" if _is_told_apart(local, inside) else "digest_differs"


def _is_child(ours: set[str], inside: Sequence[Child]) -> bool:
    """Tell whether one of an image's own digests is that of a child, or of its configuration."""
    return any(child.digest in ours or child.config_digest in ours for child in inside)


def _is_told_apart(local: Local, inside: Sequence[Child]) -> bool:
    """Tell whether the image would have been found, were it one of the children."""
    if not _has_child_for(local.platform, inside) or any(child.nested is True for child in inside):
        return False
    if local.manifest_digest:
        return True
    is_named_by_manifest = local.image_id in local.repo_digests
    return not is_named_by_manifest and all(map(_is_read, inside))


def _is_read(child: Child) -> bool:
    """Tell whether a child's configuration is known; what is of no platform is no image."""
    there = _platform(child.platform)
    return bool(child.config_digest) or (there is not None and there.is_unknown)


def _has_child_for(platform: str, inside: Sequence[Child]) -> bool:
    """Tell whether there is a child that a host of this platform could run."""
    wanted = _platform(platform)
    offered = [_platform(child.platform) for child in inside]
    if wanted is None or wanted.is_unknown or None in offered:
        return bool(offered)
    return best(wanted, [there for there in offered if there and not there.is_unknown]) is not None


def _platform(text: str) -> Platform | None:
    try:
        return Platform.parse(text)
    except BadPlatform:
        return None
