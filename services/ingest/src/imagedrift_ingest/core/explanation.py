"""The text beside a verdict in `error`: the obstacle, and its remedy.

The views of `ops` say the first in the same words.
"""

from typing import Final

from msgspec.structs import replace

from imagedrift_ingest.core.verdict import Verdict

NOT_DESCRIBED: Final = "whether this very image was replaced is not known: "
NAMES_DIGEST: Final = (
    "a container names the digest beside the tag: change the digest where the container is "
    "defined, and recreate it"
)


def explained(verdict: Verdict, *, undescribed: str = "", by_digest: bool = False) -> Verdict:
    """Add why the digest was not described, and the remedy of an image held by digest."""
    parts = [NAMES_DIGEST] if by_digest and verdict.verdict == "outdated" else []
    parts += [verdict.error] if verdict.error else []
    if undescribed and verdict.reason == "digest_differs":
        parts.append(NOT_DESCRIBED + undescribed)
    return replace(verdict, error="; ".join(parts))
