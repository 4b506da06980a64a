"""Settings come from the environment, are checked once at start, and all faults are told at once.

A service's settings are one frozen Struct whose fields carry a `Variable`:

    class AgentSettings(CommonSettings, Struct, frozen=True, kw_only=True):
        interval: Annotated[int, Meta(ge=1), Variable("IMAGEDRIFT_INTERVAL", "seconds …")] = 300

Rules:
- A field without a default is required. A variable that is set but blank counts as not set.
- Commas separate the items of a tuple and the `k=v` pairs of a dict.
- A secret can stand in a file instead: `NAME_FILE` holds its path. Its value is never repeated, in
  no fault and in no default. The file may change: `read_again`.
"""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from imagedrift_runtime import urls
from imagedrift_runtime.file_faults import unreadable

S = TypeVar("S", bound=Struct)
T = TypeVar("T")
U = TypeVar("U")

FILE_SUFFIX = "_FILE"

_LOOKED_AT = 1024 * 1024
"""Bytes of a file in which its mark has to come."""
_WORDS = (
    (re.compile(r" - at `.*$"), ""),  # a place within a list or pairs: the text is shown whole
    (re.compile(r"Expected `str` matching regex .*"), "not of the form that it takes"),
    (re.compile(r"Expected `int`, got `str`"), "no whole number"),
    (re.compile(r"Expected `float`, got `str`"), "no number"),
    (re.compile(r"Expected `bool`, got `str`"), "neither true nor false"),
    (re.compile(r"Expected `(?:int|float)` >= "), "has to be at least "),
    (re.compile(r"Expected `(?:int|float)` <= "), "has to be at most "),
    (re.compile(r"Invalid enum value (.*)"), r"\1 is not one of its values"),
)
"""msgspec's refusals in words for an operator; the help beside them says what is to be written."""


class Variable(Struct, frozen=True):
    """The environment variable behind a field, and a sentence for ``--help``."""

    name: str
    help: str
    secret: bool = False
    file: str | None = None
    """Its value is the path of a file that has to be there, and to have this text in it."""
    other_name: str = ""
    """A further name, read where the first is not set."""
    check: Callable[[str], str] | None = None
    """Names the fault of its text, or of one item of it; empty when there is none."""


class SettingsFault(Exception):
    """Every fault of the environment, one line each, with the variable's name."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class _Fault(Exception):
    """One fault, in words."""


def load(kind: type[S], environ: Mapping[str, str] | None = None) -> S:
    """Read `kind` from the environment. Raises `SettingsFault` naming every fault."""
    source = os.environ if environ is None else environ  # noqa: TID251 - the one place
    values: dict[str, Any] = {}
    faults: list[str] = []
    hints = get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        variable = _variable(hints[field.name])
        try:
            text = _text(variable, source)
            if text:
                values[field.name] = _value(text, hints[field.name], variable)
                if variable.file is not None:
                    _check_file(variable, text, variable.file)
            elif field.required:
                raise _Fault(f"{variable.name}: required but not set ({variable.help})")
        except _Fault as fault:
            faults.append(str(fault))
    if faults:
        raise SettingsFault(faults)
    return kind(**values)


def read_again(kind: type[Struct], name: str, environ: Mapping[str, str] | None = None) -> str:
    """Read a secret anew from the file that holds it: a password may have been changed there.

    Empty where it stands in the environment itself, which does not change, or cannot be read now.
    """
    source = os.environ if environ is None else environ  # noqa: TID251 - as above
    variable = _variable(get_type_hints(kind, include_extras=True)[name])
    try:
        return _text(variable, source) if _read(source, variable.name + FILE_SUFFIX) else ""
    except _Fault:
        return ""


def describe(kind: type[Struct]) -> list[tuple[str, str, str]]:
    """List (variable, default, help) for ``--help`` and the docs."""
    hints = get_type_hints(kind, include_extras=True)
    rows = []
    for field in msgspec.structs.fields(kind):
        variable = _variable(hints[field.name])
        default = "required" if field.required else _shown(field, variable)
        told = f"{variable.help}; or {variable.name}{FILE_SUFFIX}, the path of a file that holds it"
        rows.append((variable.name, default, told if variable.secret else variable.help))
    return rows


def both_or_faults(first: Callable[[], T], second: Callable[[], U]) -> tuple[T, U]:
    """Make both, or raise one `SettingsFault` of all that is wrong."""
    faults: list[str] = []
    made: list[Any] = []
    for make in (first, second):
        try:
            made.append(make())
        except SettingsFault as fault:
            faults += fault.faults
    if faults:
        raise SettingsFault(faults)
    return made[0], made[1]


def _text(variable: Variable, source: Mapping[str, str]) -> str:
    """Find a variable's text, in the file that holds it where it is a secret."""
    text = _read(source, variable.name)
    if not text and variable.other_name:
        text = _read(source, variable.other_name)
    name = variable.name + FILE_SUFFIX
    path = _read(source, name) if variable.secret else ""
    if not path:
        return text
    if text:
        raise _Fault(f"{variable.name}: set, and {name} too; only one of them can hold")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise _Fault(f"{name}: {unreadable(path, error)}") from None


def _read(source: Mapping[str, str], name: str) -> str:
    """Read a variable; bytes that are not UTF-8 could be written neither to NATS nor to a log."""
    text = source.get(name, "").strip()
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _Fault(f"{name}: is not UTF-8") from None
    return text


def _check_file(variable: Variable, path: str, mark: str) -> None:
    try:
        with Path(path).open("rb") as file:
            is_one = mark.encode() in file.read(_LOOKED_AT)
    except (OSError, ValueError) as error:
        raise _Fault(f"{variable.name}: {unreadable(path, error)}") from None
    if not is_one:
        raise _Fault(f"{variable.name}: {path!r} has no {mark!r} in it ({variable.help})")


def _value(text: str, hint: Any, variable: Variable) -> Any:
    """Convert text to the field's type."""
    try:
        value = msgspec.convert(_shape(text, hint), hint, strict=False)
    except msgspec.ValidationError as error:
        if variable.secret:
            raise _Fault(f"{variable.name}: not valid, and secret ({variable.help})") from None
        told = urls.shown(text) if "@" in text or "://" in text else text
        why = _in_words(str(error))
        raise _Fault(f"{variable.name}: {why} (it is {told!r}; {variable.help})") from None
    for item in value if isinstance(value, tuple) else (value,):
        if variable.check and (fault := variable.check(item)):
            raise _Fault(f"{variable.name}: {fault} ({variable.help})")
    return value


def _in_words(refusal: str) -> str:
    for pattern, words in _WORDS:
        refusal = pattern.sub(words, refusal)
    return refusal


def _shape(text: str, hint: Any) -> Any:
    """Give comma-separated text the shape that its type asks for: a list, pairs, or itself."""
    kind = get_args(hint)[0]
    origin = get_origin(kind) or kind
    if origin is tuple:
        return [part.strip() for part in text.split(",") if part.strip()]
    if origin is dict:
        return dict(_pair(part) for part in text.split(",") if part.strip())
    return text


def _pair(part: str) -> tuple[str, str]:
    key, mark, value = part.strip().partition("=")
    if not mark or not key.strip():
        raise msgspec.ValidationError(f"expected k=v,k=v but found {part.strip()!r}")
    return key.strip(), value.strip()


def _shown(field: msgspec.structs.FieldInfo, variable: Variable) -> str:
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value in ("", None, {}, ()):
        return "none"
    if variable.secret:
        return "secret"
    return ",".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


def _variable(hint: Any) -> Variable:
    if get_origin(hint) is Annotated:
        for extra in get_args(hint)[1:]:
            if isinstance(extra, Variable):
                return extra
    raise TypeError(f"a setting without a Variable: {hint}")
