"""Programs of before the version facts, and those of today, understand each other."""

import json
from typing import Any

import msgspec
import pytest

from imagedrift_schemas import codec
from imagedrift_schemas.v1 import Child, Describe, Described, ImageFacts, Inventory, LocalImage
from support.samples import SAMPLES

NEW_FIELDS = {
    LocalImage: {"version", "revision", "source", "base_name", "base_digest", "policy"},
    Describe: {"facts_of"},
    Child: {"facts"},
}
PAYLOADS = {sample.name: sample.payload for sample in SAMPLES}


def earlier(struct: type[msgspec.Struct], **parts: Any) -> type[msgspec.Struct]:
    """Define a struct as it was before the version facts."""
    kept = [
        (field.name, parts.get(field.name, field.type), field_default(field))
        for field in msgspec.structs.fields(struct)
        if field.name not in NEW_FIELDS.get(struct, set())
    ]
    fields: Any = [
        (name, kind) if default is ... else (name, kind, default) for name, kind, default in kept
    ]
    return msgspec.defstruct(
        struct.__name__, fields, frozen=True, kw_only=True, tag=struct.__struct_config__.tag
    )


def field_default(field: Any) -> Any:
    """Return a field's default, or ... where it is required."""
    if field.default is not msgspec.NODEFAULT:
        return field.default
    if field.default_factory is not msgspec.NODEFAULT:
        return msgspec.field(default_factory=field.default_factory)
    return ...


EARLIER: dict[str, Any] = {
    "inventory": earlier(Inventory, images=tuple[earlier(LocalImage), ...]),  # type: ignore[misc]
    "describe": earlier(Describe),
    "described": earlier(Described, children=tuple[earlier(Child), ...]),  # type: ignore[misc]
}


@pytest.mark.parametrize(
    "name", ["inventory.fullest", "inventory.fully", "describe.fullest", "described.fuller"]
)
def test_an_earlier_reader_understands_all_but_the_new_fields(name: str) -> None:
    """An earlier reader misses nothing that it knew: services may be upgraded in any order."""
    read = codec.decode(PAYLOADS[name], EARLIER[name.partition(".")[0]])

    assert json.loads(codec.encode(read)) == without_new(json.loads(PAYLOADS[name]))


@pytest.mark.parametrize(
    ("name", "kind"),
    [("inventory.fuller", Inventory), ("describe.fuller", Describe), ("described.full", Described)],
)
def test_a_message_of_an_earlier_writer_is_written_again_as_it_was(name: str, kind: Any) -> None:
    """No fact is made up, and the hash of an unchanged host stays."""
    again = json.loads(codec.encode(codec.decode(PAYLOADS[name], kind)))

    assert again.pop("facts_of", []) == []
    assert again == json.loads(PAYLOADS[name])


def test_facts_that_were_not_read_differ_from_facts_that_say_nothing() -> None:
    """An earlier resolver reads no configuration; one of today may find nothing in it."""
    unread = Child(platform="linux/amd64", digest="sha256:" + "1" * 64)
    silent = msgspec.structs.replace(unread, facts=ImageFacts())

    assert codec.decode(codec.encode(unread), Child).facts is msgspec.UNSET
    assert codec.decode(codec.encode(silent), Child).facts == ImageFacts()


def without_new(value: Any) -> Any:
    """Take the new fields out of a message."""
    new = set().union(*NEW_FIELDS.values())
    match value:
        case dict():
            return {name: without_new(part) for name, part in value.items() if name not in new}
        case list():
            return [without_new(part) for part in value]
        case _:
            return value
