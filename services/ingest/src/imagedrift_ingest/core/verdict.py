"""The verdict: one local image held against what its registry says. Pure, and the only such place.

The first row that fits decides:

| local image            | what is known of the tag              | verdict  | reason           |
|------------------------|---------------------------------------|----------|------------------|
| named by digest        | anything                              | pinned   | by_digest        |
| no repo digest         | anything                              | local    | no_repo_digest   |
| of its own machine     | anything                              | unknown  | refused          |
| any                    | last conclusive answer: no such tag   | missing  | not_found        |
| any                    | no digest, no answer                  | unknown  | not_checked      |
| any                    | no digest, a failure                  | unknown  | that failure     |
| knows the digest       | a digest                              | current  | digest_match     |
| is the child           | a digest, described                   | current  | platform_match   |
| is not the child       | a digest, described                   | outdated | platform_differs |
| cannot tell            | a digest, described or not            | outdated | digest_differs   |

Rules:
- Digests are compared with digests: an image id is none, except of an engine that names images by
  their manifest. It is compared with the child's config digest, which is what it is.
- A failure never changes a verdict (P1): the digest found last, or the fact that there was no such
  tag, stands, and the verdict is marked `stale` with the failure in `error`.
- "The child" is the manifest, inside the tag's digest, for the platform of the local image. An
  index that moves for another platform's sake outdates nobody.
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


class Local(Struct, frozen=True, kw_only=True):
    """What counts of a local image."""

    image_id: str
    repo_digests: tuple[str, ...] = ()
    platform: str = "linux/amd64"
    manifest_digest: str = ""
    pinned: bool = False
    machine_bound: bool = False
    """Its registry is known to its host alone, and is not configured."""


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
    if not local.repo_digests:
        return Judgement(verdict="local", reason="no_repo_digest")
    if local.machine_bound:
        return Judgement(verdict="unknown", reason="refused", error=MACHINE_BOUND)
    known = known or Known()
    answered = bool(known.digest or known.gone)
    verdict, reason = _compare(local, known, inside) if answered else _unanswered(known)
    stale = answered and bool(known.failure)
    return Judgement(verdict=verdict, reason=reason, stale=stale, error=known.error)


def _unanswered(known: Known) -> tuple[Verdict, str]:
    return "unknown", known.failure or "not_checked"


def _compare(local: Local, known: Known, inside: Sequence[Child] | None) -> tuple[Verdict, str]:
    if known.gone:
        return "missing", "not_found"
    if known.digest in local.repo_digests or known.digest == local.manifest_digest:
        return "current", "digest_match"
    same = _is_child(local, inside or ())
    if same is None:
        return "outdated", "digest_differs"
    return ("current", "platform_match") if same else ("outdated", "platform_differs")


def _is_child(local: Local, inside: Sequence[Child]) -> bool | None:
    """Tell whether the image is its platform's child; None when that cannot be told."""
    child = _child_for(local.platform, inside)
    if child is None:
        return None
    ours = {local.image_id, local.manifest_digest, *local.repo_digests} - {""}
    if child.digest in ours or child.config_digest == local.image_id:
        return True
    comparable = bool(child.config_digest or local.manifest_digest)
    return False if comparable else None


def _child_for(platform: str, inside: Sequence[Child]) -> Child | None:
    parsed = [(child, _platform(child.platform)) for child in inside]
    usable = [(child, there) for child, there in parsed if there and not there.is_unknown]
    wanted = _platform(platform)
    if wanted is None:
        return None
    chosen = best(wanted, [there for _, there in usable])
    return None if chosen is None else usable[chosen][0]


def _platform(text: str) -> Platform | None:
    try:
        return Platform.parse(text)
    except BadPlatform:
        return None
