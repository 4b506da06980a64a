"""Fields of messages: their types, defaults and meanings, read from the definitions."""

from msgspec import UNSET, Struct, UnsetType

from imagedrift_schemas.fields import (
    FieldFacts,
    facts_of,
    has_own_sentence,
    structs_of,
    summary_of,
)


class Part(Struct, frozen=True):
    """One part."""

    name: str


class Whole(Struct, frozen=True, kw_only=True):
    """A whole.

    With a second sentence.
    """

    parts: tuple[Part, ...] = ()
    """The parts,
    in order."""
    count: int | None = None
    """How many there are."""
    labels: dict[str, str] = {}
    host: str
    lost: bool | UnsetType = UNSET
    """Written only where it is true."""


class More(Whole, frozen=True, kw_only=True):
    """A whole with a part of its own."""

    other: Part


def test_a_field_is_told_as_a_reader_of_json_sees_it() -> None:
    """A field has its type in words, its default as JSON, and the sentence below it."""
    facts = {each.name: each for each in facts_of(Whole)}

    assert facts["parts"] == FieldFacts(
        "parts", "array of [Part](#part)", "[]", "The parts, in order."
    )
    assert facts["count"].type == "integer or null"
    assert (facts["labels"].type, facts["labels"].default) == ("object of string", "{}")
    assert facts["host"].default is None
    assert facts["lost"].default == "false"


def test_a_field_without_a_sentence_has_that_of_the_glossary() -> None:
    """A field that is in neither has none."""
    assert not has_own_sentence(Whole, "host")
    assert next(each for each in facts_of(Whole) if each.name == "host").meaning
    assert next(each for each in facts_of(Part) if each.name == "name").meaning == ""


def test_a_sentence_is_found_where_a_message_extends_another() -> None:
    """The sentence of a message that is extended is found, too."""
    assert has_own_sentence(More, "count")


def test_structs_are_listed_once_in_reading_order() -> None:
    """The message first, then its parts."""
    assert structs_of(More) == [More, Part]


def test_a_summary_has_no_indentation() -> None:
    """A summary is the docstring as it is read."""
    assert summary_of(Whole) == "A whole.\n\nWith a second sentence."
