"""Changed verdicts as rows, and which of them filters let pass.

Rules:
- A message tells of one local image on all hosts that have it. Its registry, its new verdict and
  whether a container runs are in the message; a text is looked for in its reference.
- Filters of hosts ask the database for the hosts that pass and have the image. Only these are
  counted, and a change of an image that none of them has is left out.
"""

from typing import Any, Final

from imagedrift_cli.cells import Row
from imagedrift_cli.filters import Filters
from imagedrift_schemas.v1 import Changed

COLUMNS: Final = (
    "changed_at", "reference", "from_verdict", "to_verdict", "running_hosts", "hosts",
    "from_reason", "to_reason", "platform", "image_id", "remote_digest", "registry", "repository",
    "tag",
)  # fmt: skip
BRIEF: Final = (
    "changed_at=when", "reference", "from_verdict=from", "to_verdict=to", "running_hosts=running",
    "hosts",
)  # fmt: skip


def row_of(changed: Changed) -> Row:
    """Write a change as a row."""
    told: dict[str, Any] = {name: getattr(changed, name, None) for name in COLUMNS}
    reference = f"{changed.registry}/{changed.repository}:{changed.tag}"
    return told | {"reference": reference, "remote_digest": changed.remote_digest or None}


def passes(row: Row, filters: Filters) -> bool:
    """Tell whether a change passes the filters of images; its hosts are counted before."""
    return bool(
        (not filters.registries or row["registry"] in filters.registries)
        and (not filters.verdicts or row["to_verdict"] in filters.verdicts)
        and (not filters.running or row["running_hosts"])
        and all(text.lower() in row["reference"].lower() for text in filters.texts)
    )
