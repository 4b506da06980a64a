"""Settings come from the environment, are checked once at start, and all faults are told at once.

A service's settings are one frozen Struct whose fields carry a `Variable`:

    class AgentSettings(Struct, frozen=True, kw_only=True):
        interval: Annotated[int, Meta(ge=1), Variable("IMAGEDRIFT_INTERVAL", "seconds between …")] = 300

A field without a default is required. A variable that is set but empty counts as not set.
"""

import os
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

S = TypeVar("S", bound=Struct)


class Variable(Struct, frozen=True):
    """The environment variable behind a field, and a sentence for ``--help``."""

    name: str
    help: str


class SettingsFault(Exception):
    """Every fault of the environment, one line each, with the variable's name."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def load(kind: type[S], environ: Mapping[str, str] | None = None) -> S:
    """Read `kind` from the environment. Raises `SettingsFault` naming every fault."""
    source = os.environ if environ is None else environ  # noqa: TID251 - the one place
    values: dict[str, Any] = {}
    faults: list[str] = []
    hints = get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        variable = _variable(hints[field.name])
        text = source.get(variable.name, "")
        if text:
            try:
                values[field.name] = msgspec.convert(
                    _shape(text, hints[field.name]), hints[field.name], strict=False
                )
            except msgspec.ValidationError as error:
                faults.append(f"{variable.name}: {error} (it is {text!r}; {variable.help})")
        elif field.required:
            faults.append(f"{variable.name}: required but not set ({variable.help})")
    if faults:
        raise SettingsFault(faults)
    return kind(**values)


def describe(kind: type[Struct]) -> list[tuple[str, str, str]]:
    """List (variable, default, help) for ``--help`` and the docs."""
    hints = get_type_hints(kind, include_extras=True)
    rows = []
    for field in msgspec.structs.fields(kind):
        variable = _variable(hints[field.name])
        default = "required" if field.required else _shown(field)
        rows.append((variable.name, default, variable.help))
    return rows


def _shown(field: msgspec.structs.FieldInfo) -> str:
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value)) or "none"
    return "none" if value in ("", None, {}) else str(value)


def _variable(hint: Any) -> Variable:
    if get_origin(hint) is Annotated:
        for extra in get_args(hint)[1:]:
            if isinstance(extra, Variable):
                return extra
    raise TypeError(f"a setting without a Variable: {hint}")


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
    if not mark or not key:
        raise msgspec.ValidationError(f"expected k=v,k=v but found {part.strip()!r}")
    return key.strip(), value.strip()
