"""The limits of values, in the words of JSON Schema: patterns, lengths, ranges and counts.

Rules:
- Identity text (who, which image, which digest) has a pattern: its reader refuses anything else.
- Text that only informs has a length: its reader cuts what is longer and replaces what cannot be
  shown, so that it refuses nobody.
- What is let through here is accepted by its reader, who may accept more: a reference that is not
  in canonical form, a time with another offset than Z.
- One name has one meaning in every message; `Struct.field` comes before `field`.
- Nothing here is checked on decoding: a reader checks what it needs, once per distinct value.

The patterns mean the same in ECMAScript (with its flag `u`) and in Python.
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from imagedrift_schemas import digest, platform, reference, subjects, update_labels

Schema = dict[str, Any]

MOST_TEXT: Final = 4096
MOST_COUNT: Final = 2**31 - 1
MOST_BIG_COUNT: Final = 2**63 - 1
MOST_IMAGES: Final = 20_000
"""Of one host: agents send no more, and ingest stores no more."""
MOST_DIGESTS: Final = 1000
MOST_CHILDREN: Final = 10_000
MOST_FACT: Final = 256
"""Bytes of a fact that an image's label tells; a longer label is left out."""
MOST_FACTS_OF: Final = 4
MOST_PLATFORMS: Final = 16
"""Of a question about a digest: those of most hosts."""
MOST_TAGS: Final = 200
"""Of a question for tags: those that most hosts run."""
MOST_TRACKS: Final = 1000
MOST_NAMES: Final = 10_000
"""Of a track. A list has at most 32 KiB of names."""
MOST_REASONS: Final = 32
MOST_REASON: Final = 64
MOST_CREDENTIAL: Final = 512
MOST_PAYLOAD: Final = 64 * 1024


def _pattern(*alternatives: str) -> Schema:
    grammar = alternatives[0] if len(alternatives) == 1 else f"(?:{'|'.join(alternatives)})"
    return {"pattern": f"^{grammar}$"}


def _range(most: int, least: int = 0) -> Schema:
    return {"minimum": least, "maximum": most}


TIME: Final = _pattern(
    "(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(?:\.[0-9]{1,9})?Z"
)
"""Of every `date-time`: UTC, written with Z. A leap second has no time of its own."""

_TEXT: Final = {"maxLength": MOST_TEXT}
_FACT: Final = {"maxLength": MOST_FACT}
_COUNT: Final = _range(MOST_COUNT)
_BIG_COUNT: Final = _range(MOST_BIG_COUNT)
_DIGEST: Final = _pattern(digest.PATTERN)
_DIGEST_OR_NONE: Final = _pattern(digest.PATTERN, "")
_CONTENT: Final = "sha256:[0-9a-f]{64}"
_REPOSITORY: Final = reference.CANONICAL_REPOSITORY
_REGISTRY: Final = reference.CANONICAL_REGISTRY
_REFERENCE: Final = (
    rf"{reference.IN_FULL}{_REGISTRY}/{_REPOSITORY}(?::{reference.TAG}|@{digest.PATTERN})"
)
_WORD: Final = _pattern("[a-z][a-z_]{0,63}")
_WORD_OR_NONE: Final = _pattern("[a-z][a-z_]{0,63}", "")
_BASE64: Final = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"

FIELDS: Final[Mapping[str, Schema]] = {
    # who and where
    "site": _pattern(subjects.HOST_ID),
    "host": _pattern(subjects.HOST_ID),
    "hostname": _TEXT,
    "labels": {"propertyNames": _TEXT, "additionalProperties": _TEXT},
    "place": _TEXT,
    "os": _TEXT,
    "arch": _TEXT,
    "engine": _TEXT,
    "engine_version": _TEXT,
    "agent_version": _TEXT,
    "boot": _TEXT,
    "seq": _BIG_COUNT,
    "interval_s": _range(MOST_COUNT, 1),
    "degraded": _TEXT,
    "Inventory.content": _pattern(_CONTENT),
    "Alive.content": _pattern(_CONTENT, ""),
    "skipped": {
        "maxProperties": MOST_REASONS,
        "propertyNames": {"minLength": 1, "maxLength": MOST_REASON},
        "additionalProperties": _COUNT,
    },
    "images": {"maxItems": MOST_IMAGES},
    # an image
    "reference": _pattern(_REFERENCE),
    "image_id": _DIGEST,
    "repo_digests": {"maxItems": MOST_DIGESTS, "items": _DIGEST},
    "platform": _pattern(platform.PATTERN),
    "size": _BIG_COUNT,
    "containers": {"items": _TEXT},
    "services": {"items": _TEXT},
    "running": _COUNT,
    "manifest_digest": _DIGEST_OR_NONE,
    "version": _FACT,
    "revision": _FACT,
    "LocalImage.source": _FACT,
    "ImageFacts.source": _FACT,
    "base_name": _FACT,
    "base_digest": _DIGEST_OR_NONE,
    "policy": {
        "maxProperties": len(update_labels.KEYS),
        "propertyNames": {"enum": list(update_labels.KEYS)},
        "additionalProperties": {"minLength": 1, "maxLength": update_labels.MOST_LABEL},
    },
    # a question, and its answer
    "registry": _pattern(_REGISTRY),
    "repository": _pattern(_REPOSITORY),
    "tag": _pattern(reference.TAG),
    "digest": _DIGEST,
    "last_digest": _DIGEST_OR_NONE,
    "hosts": _COUNT,
    "platforms": {"maxItems": MOST_PLATFORMS, "items": _pattern(platform.PATTERN)},
    "image_ids": {"items": _DIGEST},
    "facts_of": {"maxItems": MOST_FACTS_OF, "items": _pattern(platform.PATTERN)},
    "reason": _TEXT,
    "media_type": _TEXT,
    "credential": _pattern(rf"[^\u0000-\u001f\u007f]{{1,{MOST_CREDENTIAL}}}"),
    "failures": _COUNT,
    "grammar": _COUNT,
    "children": {"maxItems": MOST_CHILDREN},
    "Child.platform": _pattern(platform.PATTERN, ""),
    "config_digest": _DIGEST_OR_NONE,
    # the tags of a repository
    "tags": {"maxItems": MOST_TAGS, "items": _pattern(reference.TAG)},
    "tracks": {"maxItems": MOST_TRACKS},
    "names": {"maxItems": MOST_NAMES, "items": _pattern(reference.TAG)},
    "count": _COUNT,
    # limits
    "rate_limit": _COUNT,
    "rate_remaining": _COUNT,
    "rate_window_s": _COUNT,
    "requests_per_second": {"exclusiveMinimum": 0, "maximum": 1_000_000},
    "last_status": _COUNT,
    "last_error": _TEXT,
    # what others may follow
    "Changed.tag": _pattern(reference.TAG, ""),
    "from_verdict": _WORD_OR_NONE,
    "from_reason": _WORD_OR_NONE,
    "to_verdict": _WORD,
    "to_reason": _WORD,
    "remote_digest": _DIGEST_OR_NONE,
    "running_hosts": _COUNT,
    "service": _TEXT,
    "subject": _TEXT,
    "stream": _TEXT,
    "stream_seq": _BIG_COUNT,
    "error": _TEXT,
    "times": _range(MOST_COUNT, 1),
    "payload": {"maxLength": (MOST_PAYLOAD + 2) // 3 * 4, **_pattern(_BASE64)},
}

FREE: Final = frozenset(
    {"tagged", "digest_lost", "by_digest", "nested", "source", "whole", "cut", "truncated"}
)
"""Fields whose type says all: two values, or a few words."""

DOCKER_HUB_IN_FULL: Final[Schema] = {
    "if": {"type": "object", "properties": {"registry": {"const": reference.DOCKER_HUB}}},
    "then": {
        "type": "object",
        "properties": {"repository": {"type": "string", "pattern": "/"}},
    },
}
"""Of a message that names registry and repository: on Docker Hub `nginx` is `library/nginx`."""


def constrained(schema: Schema, struct: type[Struct], field: str) -> Schema:
    """Return a field's schema with the limits of its value."""
    found = FIELDS.get(f"{struct.__name__}.{field}") or FIELDS.get(field, {})
    return _plain(_merged(schema, found))


def _merged(schema: Schema, constraint: Mapping[str, Any]) -> Schema:
    """Add keywords where they belong: to what is not null, and inside lists and tables."""
    if "anyOf" in schema:
        parts = [p if p == {"type": "null"} else _merged(p, constraint) for p in schema["anyOf"]]
        return {**schema, "anyOf": parts}
    inner = {
        keyword: _merged(schema.get(keyword, {"type": "string"}), value)
        for keyword, value in constraint.items()
        if isinstance(value, dict)
    }
    return {**schema, **constraint, **inner}


def _plain(schema: Schema) -> Schema:
    """Say of every moment how it is written, and leave out OpenAPI's `discriminator`.

    The one value of `type` that each part has says the same in JSON Schema.
    """
    schema = {keyword: value for keyword, value in schema.items() if keyword != "discriminator"}
    if "anyOf" in schema:
        return {**schema, "anyOf": [_plain(part) for part in schema["anyOf"]]}
    return {**schema, **TIME} if schema.get("format") == "date-time" else schema
