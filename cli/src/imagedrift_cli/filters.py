"""The filters that every list understands, and their SQL.

Rules:
- A list has some columns of its own, and filters them there. Every other filter asks for rows whose
  key (a host, a reference, a registry) belongs to an image of a host that passes all filters.
- Labels and texts add up: all have to hold. Of several sites, registries or verdicts one has to.
- A text has to be in one of a list's text columns, in whatever case.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import click
from msgspec import Struct

F = TypeVar("F", bound=Callable[..., Any])

VERDICTS: Final = ("current", "outdated", "pinned", "local", "missing", "unknown")
CONDITIONS: Final[Mapping[str, str]] = {
    "site": "site = ANY (:sites::text[])",
    "place": "(place = :place::text OR starts_with(place, :place::text || '/'))",
    "label": "labels @> :labels::jsonb",
    "registry": "registry = ANY (:registries::text[])",
    "running": "running > 0",
    "verdict": "verdict = ANY (:verdicts::text[])",
}
"""What each filter asks of a row of `ops.comparisons`."""
OF_A_HOST: Final = frozenset({"site", "place", "label"})
OF_AN_IMAGE: Final = frozenset({"registry", "running", "verdict"})
EVERY: Final = OF_A_HOST | OF_AN_IMAGE


class Filters(Struct, frozen=True, kw_only=True):
    """The filters of a list; an empty one lets everything pass."""

    sites: tuple[str, ...] = ()
    place: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    registries: tuple[str, ...] = ()
    running: bool = False
    verdicts: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

    @property
    def kinds(self) -> list[str]:
        """Name the filters that are set, without the texts."""
        given = {
            "site": self.sites,
            "place": self.place,
            "label": self.labels,
            "registry": self.registries,
            "running": self.running,
            "verdict": self.verdicts,
        }
        return [name for name, value in given.items() if value]

    @property
    def is_set(self) -> bool:
        """Whether anything may be left out."""
        return bool(self.kinds or self.texts)

    @property
    def has_alternatives(self) -> bool:
        """Whether rows may pass although one of the names is not there."""
        return len(self.sites) > 1 or len(self.registries) > 1

    @property
    def values(self) -> dict[str, object]:
        """Give the parameters of the conditions."""
        return {
            "sites": self.sites,
            "place": self.place,
            "labels": json.dumps(dict(self.labels)),
            "registries": self.registries,
            "verdicts": self.verdicts,
            **{f"text_{_letter(i)}": text for i, text in enumerate(self.texts)},
        }


class Scope(Struct, frozen=True):
    """How a list is filtered."""

    own: frozenset[str] = EVERY
    """Filters of columns that the list has itself."""
    key: str = ""
    """What its rows share with `ops.comparisons`, for all other filters."""
    texts: tuple[str, ...] = ("reference", "hostname", "host")
    """Columns that a text is looked for in."""
    key_there: str = ""
    """The key's columns in `ops.comparisons`, where they have other names."""
    conditions: Mapping[str, str] = {}
    """What each filter of `own` asks of a row, where that is not as in `CONDITIONS`."""
    among: str = "{key} IN (\n{keys})"
    """How a row is found among the keys that pass."""


OF_HOSTS: Final = Scope(OF_A_HOST, "(site, host)", texts=("hostname", "host"))
"""Rows of `ops.hosts`."""
OF_LETTERS: Final = Scope(
    frozenset(),
    "(split_part(subject, '.', 4), split_part(subject, '.', 5))",
    texts=("subject", "service", "reason", "error"),
    key_there="(site, host)",
)
"""Rows of `ops.dead_letters`; those of a host are refused inventories."""
OF_DECISIONS: Final = Scope(
    OF_A_HOST | {"registry"},
    "reference",
    texts=("pattern", "by", "kind", "reason"),
    conditions={
        "site": "coalesce(selector ->> 'site' = ANY (:sites::text[]), true)",
        "place": """\
(selector -> 'place' IS NULL OR starts_with(selector ->> 'place' || '/', :place::text || '/')
   OR starts_with(:place::text || '/', selector ->> 'place' || '/'))""",
        "label": """\
coalesce(:labels::jsonb ->> split_part(selector ->> 'label', '=', 1)
           = substr(selector ->> 'label', strpos(selector ->> 'label', '=') + 1), true)""",
        "registry": """\
EXISTS (SELECT FROM unnest(:registries::text[]) AS r
          WHERE starts_with(pattern, r || '/')
             OR (pattern LIKE '%*' AND starts_with(r || '/', rtrim(pattern, '*'))))""",
    },
    among="""\
EXISTS (SELECT FROM (
    SELECT DISTINCT reference FROM (
{keys}) AS held) AS i
          WHERE i.reference = pattern
             OR (pattern LIKE '%*' AND starts_with(i.reference, rtrim(pattern, '*'))))""",
)
"""Rows of `ops.decisions`: those that may be about a host or an image that passes."""


def where(filters: Filters, scope: Scope, *always: str) -> str:
    """Write the WHERE clause of a list; empty where everything passes."""
    conditions = scope.conditions or CONDITIONS
    own = [conditions[name] for name in filters.kinds if name in scope.own]
    if [name for name in filters.kinds if name not in scope.own]:
        inside = "\n    AND ".join(CONDITIONS[name] for name in filters.kinds)
        own.append(scope.among.format(key=scope.key, keys=_subquery(scope, inside)))
    every = [*always, *own, *(_text(i, scope) for i in range(len(filters.texts)))]
    return "WHERE " + "\n  AND ".join(every) if every else ""


def filtered(*, without: Sequence[str] = (), texts: bool = True) -> Callable[[F], F]:
    """Give a command the filters, as one argument `filters`."""

    def decorate(command: F) -> F:
        def run(*arguments: Any, **options: Any) -> Any:
            return command(*arguments, filters=_taken(options), **options)

        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
        wrapped: Any = run
        for name, option in reversed(list(_OPTIONS.items())):
            if name not in without:
                wrapped = option(wrapped)
        if texts:
            wrapped = click.argument("texts", nargs=-1, metavar="[TEXT]...")(wrapped)
        decorated: F = wrapped
        return decorated

    return decorate


def _label(
    _context: click.Context, _option: click.Parameter, value: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    pairs: dict[str, str] = {}
    for text in value:
        key, mark, told = text.partition("=")
        if not mark or not key:
            raise click.BadParameter(f"{text} is not K=V, as env=prod")
        if pairs.setdefault(key, told) != told:
            raise click.BadParameter(f"{key} cannot be both {pairs[key]} and {told}")
    return tuple(pairs.items())


_OPTIONS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "site": click.option("--site", "sites", multiple=True, help="Only hosts of this site."),
    "place": click.option("--place", default="", help="Only hosts at this place or inside it."),
    "label": click.option(
        "--label",
        "labels",
        multiple=True,
        metavar="K=V",
        callback=_label,
        help="Only hosts with this label; several add up.",
    ),
    "registry": click.option(
        "--registry", "registries", multiple=True, help="Only images of it, as docker.io."
    ),
    "running": click.option(
        "--running", is_flag=True, help="Only images that a running container uses."
    ),
    "verdict": click.option(
        "--verdict",
        "verdicts",
        multiple=True,
        type=click.Choice(VERDICTS),
        metavar="NAME",
        help=f"Only images that are {', '.join(VERDICTS[:-1])} or {VERDICTS[-1]}.",
    ),
}


def _taken(options: dict[str, Any]) -> Filters:
    """Take the filters out of a command's options."""
    return Filters(
        **{name: options.pop(name) for name in Filters.__struct_fields__ if name in options}
    )


def _subquery(scope: Scope, conditions: str) -> str:
    """Write which keys pass."""
    there = (scope.key_there or scope.key).strip("()")
    lines = [f"SELECT {there}", "FROM ops.comparisons", f"WHERE {conditions}"]
    return "\n".join(f"    {line}" for line in lines)


def _text(number: int, scope: Scope) -> str:
    name = f"lower(:text_{_letter(number)}::text)"
    found = [f"strpos(lower({column}), {name}) > 0" for column in scope.texts]
    return f"({' OR '.join(found)})"


def _letter(number: int) -> str:
    """Name the number of a text, as a parameter has no digits."""
    return "abcdefghijklmnopqrstuvwxyz"[number % 26] * (number // 26 + 1)
