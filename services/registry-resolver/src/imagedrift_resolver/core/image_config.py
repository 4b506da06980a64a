"""An image's configuration: the facts that it tells of the image.

The bytes hash to the digest in the manifest, so that whatever they say is true for ever. What makes
no sense says nothing, and is not read again.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from imagedrift_schemas.image_labels import facts_in
from imagedrift_schemas.v1 import ImageFacts

CONFIG_CAP: Final = 256 * 1024
"""Bytes of a configuration that are read; a larger one tells nothing."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NONSENSE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError)


def read_config(body: bytes) -> ImageFacts:
    """Read the facts in a configuration; none where it makes no sense."""
    try:
        document = msgspec.json.decode(body)
    except _NONSENSE:
        return ImageFacts()
    if not isinstance(document, dict):
        return ImageFacts()
    facts = msgspec.structs.replace(ImageFacts(), **facts_in(_labels(document)))
    return msgspec.structs.replace(facts, built_at=_built_at(document.get("created")))


def _labels(document: Mapping[str, Any]) -> Mapping[str, object]:
    config = document.get("config")
    labels = config.get("Labels") if isinstance(config, dict) else None
    return labels if isinstance(labels, dict) else {}


def _built_at(told: object) -> datetime | None:
    """Read the time of an image's build; None for no time, and for reproducible builds' 1970."""
    try:
        built_at = msgspec.convert(told, datetime)
        return built_at.astimezone(UTC) if built_at.tzinfo and built_at > _EPOCH else None
    except (msgspec.ValidationError, OverflowError):
        return None
