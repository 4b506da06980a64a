"""JSON Schemas as another language would use them: values that one lets through, and a check.

`values` knows the keywords of our schemas and no others. `matching` makes text of a pattern: parts
of the grammar put together, and what the pattern does not match is dropped.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from msgspec import Struct

from imagedrift_schemas import constraints, reference
from imagedrift_schemas.catalogue import ROUTES, name_of
from imagedrift_schemas.errors import BadReference
from support.samples import ROOT

FORMATS = FormatChecker(formats=())

Strategy = st.SearchStrategy[Any]


@FORMATS.checks("date-time", raises=ValueError)
def is_time(value: object) -> bool:
    """Check RFC 3339 as far as our messages need it: a moment with an offset."""
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def committed(message: type[Struct]) -> dict[str, Any]:
    """Read the committed schema of a message."""
    path = ROOT / "schemas" / "json" / "v1" / f"{name_of(message)}.schema.json"
    schema: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return schema


def validator(message: type[Struct]) -> Any:
    """Return a validator by the committed schema of a message."""
    return Draft202012Validator(committed(message), format_checker=FORMATS)


VALIDATORS: Final = {name_of(route.message): validator(route.message) for route in ROUTES}


def faults(payload: bytes) -> list[str]:
    """Return what the schema of a message finds wrong in it."""
    message = json.loads(payload)
    found = VALIDATORS[message["type"]].iter_errors(message)
    return [f"{error.json_path}: {error.message[:300]}" for error in found]


def messages(message: type[Struct], *, with_some: str = "") -> Strategy:
    """Make messages, as JSON values, that the committed schema lets through.

    They have some of the parts that `with_some` names: most messages would have none.
    """
    schema = committed(message)
    if with_some:
        schema["required"] = [*schema["required"], with_some]
        schema["properties"][with_some]["minItems"] = 1
    check = VALIDATORS[name_of(message)]
    return values(schema, schema.get("$defs", {})).map(_in_full).filter(check.is_valid)


def _in_full(message: Any) -> Any:
    """Give a repository of Docker Hub its user: that it has one is a rule between two fields."""
    if message.get("registry") == "docker.io" and "/" not in message.get("repository", "/"):
        return {**message, "repository": f"library/{message['repository'][:200]}"}
    return message


def values(schema: dict[str, Any], parts: dict[str, Any]) -> Strategy:
    """Make values that a schema lets through, or nearly: `messages` drops the others."""
    match schema:
        case {"$ref": ref}:
            return values(parts[ref.removeprefix("#/$defs/")], parts)
        case {"anyOf": each}:
            return st.one_of(*(values(part, parts) for part in each))
        case {"enum": words}:
            return st.sampled_from(words)
        case {"type": "object", "properties": fields}:
            return _struct(schema, fields, parts)
        case {"type": "object"}:
            keys = values(schema["propertyNames"], parts)
            return st.dictionaries(keys, values(schema["additionalProperties"], parts), max_size=3)
        case {"type": "array"}:
            items = values(schema["items"], parts)
            return st.lists(items, min_size=schema.get("minItems", 0), max_size=3)
        case {"type": "string"}:
            return _text(schema)
        case {"type": ("integer" | "number" | "boolean" | "null") as kind}:
            return _PLAIN[kind](schema)
    raise AssertionError(f"a keyword that the tests do not know: {schema}")


_PLAIN: Final[dict[str, Callable[[dict[str, Any]], Strategy]]] = {
    "integer": lambda schema: _whole(schema.get("minimum"), schema.get("maximum")),
    "number": lambda schema: st.floats(0.001, schema["maximum"]),
    "boolean": lambda schema: st.booleans(),
    "null": lambda schema: st.none(),
}


def _text(schema: dict[str, Any]) -> Strategy:
    match schema:
        case {"format": "date-time"}:
            return _times()
        case {"pattern": pattern}:
            return matching(pattern)
        case _:
            least, most = schema.get("minLength", 0), min(schema.get("maxLength", 40), 40)
            return st.text(min_size=least, max_size=most)


def _struct(schema: dict[str, Any], fields: dict[str, Any], parts: dict[str, Any]) -> Strategy:
    made = {name: values(field, parts) for name, field in fields.items()}
    required = {name: made[name] for name in schema.get("required", ())}
    optional = {name: each for name, each in made.items() if name not in required}
    return st.fixed_dictionaries(required, optional=optional)


def _whole(least: int | None, most: int | None) -> Strategy:
    ends = st.sampled_from([end for end in (least, most) if end is not None])
    return st.one_of(st.integers(least, most), ends)


def _times() -> Strategy:
    moments = st.datetimes(timezones=st.just(UTC))
    return moments.map(lambda moment: moment.isoformat().replace("+00:00", "Z"))


def _grammar(pattern: str) -> Strategy:
    return st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True)


_SHA256: Final = st.integers(0, 2**256 - 1).map("sha256:{:064x}".format)
DIGESTS: Final = st.one_of(
    _SHA256,
    st.integers(0, 2**512 - 1).map("sha512:{:0128x}".format),
)
_LABEL: Final = _grammar(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,5}[A-Za-z0-9])?")
_HOST: Final = st.one_of(
    st.lists(_LABEL, min_size=1, max_size=3).map(".".join),
    _grammar(r"\[[A-Fa-f0-9:]{1,9}\]"),
    st.sampled_from(["docker.io", "localhost", "ghcr.io", "index.docker.io", "LOCALHOST"]),
)
REGISTRIES: Final = st.builds(str.__add__, _HOST, st.one_of(st.just(""), _grammar(":[0-9]{1,5}")))
REPOSITORIES: Final = st.one_of(
    _grammar(r"[a-z0-9]{1,3}(?:(?:\.|__?|-+)[a-z0-9]{1,3}){0,2}(?:/[a-z0-9]{1,3}){0,2}"),
    st.integers(240, 260).map(lambda length: "a" * length),
)
_TAG_LETTERS: Final = "aZ0_.-"
TAGS: Final = st.text(_TAG_LETTERS, max_size=127).map("T{}".format)
REFERENCES: Final = st.builds(
    lambda registry, repository, rest: f"{registry}/{repository}{rest}",
    REGISTRIES,
    REPOSITORIES,
    st.one_of(TAGS.map(":{}".format), DIGESTS.map("@{}".format)),
)
_PLATFORMS: Final = st.one_of(
    st.just("linux/amd64"),
    _grammar("[a-z0-9][a-z0-9_.-]{0,63}/arm/v7"),
    st.sampled_from([1, 63, 64]).map(lambda length: "/".join(["a" * length] * 3)),
)


def _canonical(text: str) -> str:
    """Return a reference in canonical form; another one in place of what is none."""
    try:
        return reference.ImageReference.parse(text).canonical
    except BadReference:
        return "docker.io/library/nginx:1.27"


def _registry(text: str) -> str:
    return _canonical(f"{text}/a/b").partition("/")[0]


_BY_PATTERN: Final = {
    **{
        constraints.FIELDS[name]["pattern"]: st.one_of(DIGESTS, st.just(other))
        for name, other in (("digest", "sha256:" + "0" * 64), ("last_digest", ""))
    },
    constraints.FIELDS["tag"]["pattern"]: TAGS,
    constraints.FIELDS["Changed.tag"]["pattern"]: st.one_of(TAGS, st.just("")),
    constraints.FIELDS["Inventory.content"]["pattern"]: _SHA256,
    constraints.FIELDS["Alive.content"]["pattern"]: st.one_of(_SHA256, st.just("")),
    constraints.FIELDS["Child.platform"]["pattern"]: st.one_of(_PLATFORMS, st.just("")),
    constraints.FIELDS["reference"]["pattern"]: REFERENCES.map(_canonical),
    constraints.FIELDS["registry"]["pattern"]: REGISTRIES.map(_registry),
    constraints.FIELDS["repository"]["pattern"]: REPOSITORIES.map(lambda text: text[:255]),
    constraints.FIELDS["platform"]["pattern"]: _PLATFORMS,
}


def matching(pattern: str) -> Strategy:
    """Make text that a pattern matches as a whole."""
    inside = pattern.removeprefix("^").removesuffix("$")
    known = pattern in _BY_PATTERN
    made = _BY_PATTERN[pattern] if known else st.from_regex(re.compile(inside), fullmatch=True)
    return made.filter(lambda text: re.fullmatch(inside, text) is not None)
