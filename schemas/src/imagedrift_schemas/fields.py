"""Reads the messages' own definitions: which parts they are made of, what each field is and means.

The sentence of a field is the string below it in the source, as editors show it, or else its
entry in the glossary.
"""

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from textwrap import dedent
from typing import Any, Final, NamedTuple

from msgspec import NODEFAULT, Struct, json
from msgspec import inspect as types

from imagedrift_schemas.glossary import MEANINGS

_WORDS: Final[dict[type[types.Type], str]] = {
    types.StrType: "string",
    types.BoolType: "boolean",
    types.IntType: "integer",
    types.FloatType: "number",
    types.BytesType: "base64 string",
    types.DateTimeType: "time",
    types.NoneType: "null",
}


_WHEN_ABSENT: Final[dict[type[types.Type], str]] = {types.BoolType: "false", types.StrType: '""'}
"""How an absent field reads, by its type; one of another type stays absent."""


class FieldFacts(NamedTuple):
    """One field as a reader of JSON sees it.

    `default` is JSON, or `absent`; None when the field is required.
    """

    name: str
    type: str
    default: str | None
    meaning: str


def structs_of(kind: type[Struct]) -> list[type[Struct]]:
    """Return the message and all structs inside it, each once, in reading order."""
    found: dict[type[Struct], None] = {}
    for struct in _structs_in(types.type_info(kind)):
        found.setdefault(struct)
    return list(found)


def facts_of(kind: type[Struct]) -> list[FieldFacts]:
    """Return the facts of every field, without the `type` that tells messages apart."""
    own = _sentences(kind)
    return [
        FieldFacts(
            name=field.encode_name,
            type=_type_in_words(field.type),
            default=_default_of(field),
            meaning=own.get(field.name) or MEANINGS.get(field.name, ""),
        )
        for field in _struct_type(kind).fields
    ]


def summary_of(kind: type[Struct]) -> str:
    """Return the struct's docstring without its indentation."""
    return inspect.cleandoc(kind.__doc__ or "")


def has_own_sentence(kind: type[Struct], name: str) -> bool:
    """Tell whether the field is explained where it is defined."""
    return name in _sentences(kind)


def _struct_type(kind: type[Struct]) -> types.StructType:
    info = types.type_info(kind)
    assert isinstance(info, types.StructType)
    return info


def _structs_in(info: types.Type) -> Iterator[type[Struct]]:
    """Walk a type depth first, giving each struct before its parts."""
    match info:
        case types.StructType():
            yield info.cls
            for field in info.fields:
                yield from _structs_in(field.type)
        case types.UnionType():
            for part in info.types:
                yield from _structs_in(part)
        case types.VarTupleType():
            yield from _structs_in(info.item_type)
        case _:
            return


def _type_in_words(info: types.Type) -> str:
    """Say the type as it looks in JSON."""
    match info:
        case types.LiteralType():
            return " or ".join(f"`{json.encode(value).decode()}`" for value in info.values)
        case types.StructType():
            return f"[{info.cls.__name__}](#{info.cls.__name__.lower()})"
        case types.UnionType():
            return " or ".join(_type_in_words(part) for part in info.types)
        case types.VarTupleType():
            return f"array of {_type_in_words(info.item_type)}"
        case types.DictType():
            return f"object of {_type_in_words(info.value_type)}"
        case _:
            return _WORDS[type(info)]


def _default_of(field: types.Field) -> str | None:
    if field.required:
        return None
    value: Any = field.default
    if value is NODEFAULT:
        if not callable(field.default_factory):  # UNSET
            return _WHEN_ABSENT.get(type(field.type), "absent")
        value = field.default_factory()
    return json.encode(value).decode()


@cache
def _sentences(kind: type[Struct]) -> dict[str, str]:
    """Return the strings below the fields of the struct and of those it extends."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if issubclass(base, Struct) and base is not Struct:
            found |= _sentences_in(base)
    return found


def _sentences_in(base: type[Struct]) -> dict[str, str]:
    definition = ast.parse(dedent(inspect.getsource(base))).body[0]
    assert isinstance(definition, ast.ClassDef)
    found: dict[str, str] = {}
    for line, below in zip(definition.body, definition.body[1:], strict=False):
        match line, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(sentence))),
            ):
                found[name] = " ".join(sentence.split())
            case _:
                continue
    return found
