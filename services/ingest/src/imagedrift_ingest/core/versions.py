"""The version facts of images: what their labels tell, as it is believed and stored."""

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, TypeAlias

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from imagedrift_ingest.core import times
from imagedrift_schemas.image_labels import LABELS, valid_facts
from imagedrift_schemas.v1 import Child, ImageFacts, LocalImage

_FACTS: Final = tuple(LABELS.values())

LabelFacts: TypeAlias = tuple[str, ...]
"""The text of each fact, empty where a label lacks; or no text at all, of most images."""

_told_by = attrgetter(*_FACTS)
_NOTHING: Final = (UNSET,) * len(_FACTS)


def of_local(image: LocalImage) -> LabelFacts:
    """Return the version facts of a local image's labels; most have none, which costs little."""
    told = _told_by(image)
    if told == _NOTHING:
        return ()
    facts = valid_facts(dict(zip(_FACTS, told, strict=True)))
    return tuple(facts.get(name, "") for name in _FACTS) if facts else ()


def named(labels: LabelFacts) -> dict[str, str]:
    """Return the facts that labels tell by their names, none of them empty."""
    return {name: text for name, text in zip(_FACTS, labels, strict=False) if text}


def believed(facts: ImageFacts | UnsetType, latest: datetime) -> ImageFacts | UnsetType:
    """Return the facts of a configuration as they are believed: bounded, fit to be stored."""
    if isinstance(facts, UnsetType):
        return UNSET
    told = valid_facts({name: getattr(facts, name) for name in _FACTS})
    return replace(ImageFacts(built_at=times.plausible(facts.built_at, latest)), **told)


def by_platform(digest: str, children: Sequence[Child], read_at: datetime) -> list[tuple[Any, ...]]:
    """Return the rows of the facts inside a digest: the first ones of each platform."""
    rows: dict[str, tuple[Any, ...]] = {}
    for child in children:
        facts = child.facts
        if isinstance(facts, ImageFacts) and child.platform not in rows:
            texts = (getattr(facts, name) or None for name in _FACTS)
            rows[child.platform] = (digest, child.platform, *texts, facts.built_at, read_at)
    return [rows[platform] for platform in sorted(rows)]
