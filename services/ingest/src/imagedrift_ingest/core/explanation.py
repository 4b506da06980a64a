"""What stands beside a verdict in `error`: what is in the way, and what clears it.

The views of `ops` say the first in the same words.
"""

from typing import Final

from msgspec.structs import replace

from imagedrift_ingest.core.verdict import Judgement

NOT_DESCRIBED: Final = "whether this very image was replaced is not known: "
NAMES_DIGEST: Final = (
    "a container names the digest beside the tag: change the digest where the container is "
    "defined, and recreate it"
)


def explained(judgement: Judgement, *, undescribed: str = "", by_digest: bool = False) -> Judgement:
    """Add why the digest could not be described, and what clears an image held by digest."""
    parts = [NAMES_DIGEST] if by_digest and judgement.verdict == "outdated" else []
    parts += [judgement.error] if judgement.error else []
    if undescribed and judgement.reason == "digest_differs":
        parts.append(NOT_DESCRIBED + undescribed)
    return replace(judgement, error="; ".join(parts))
