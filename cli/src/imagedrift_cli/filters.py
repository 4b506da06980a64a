"""The filters that every list understands, as SQL. Their options stand in `filter_options`.

Rules:
- A list has some columns of its own, and filters them there. Every other filter asks for rows whose
  key (a host, a reference, a registry) belongs to an image of a host that passes all filters.
- Labels and texts add up: all have to hold. Of several sites, places, registries or verdicts one
  has to.
- Filters of hosts alone ask for hosts, so that one without an image passes, too.
- A text has to be in one of a list's text columns, in whatever case.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

VERDICTS: Final = ("current", "outdated", "pinned", "local", "missing", "unknown")
CONDITIONS: Final[Mapping[str, str]] = {
    "site": "site = ANY (:sites::text[])",
    "place": "(place || '/') ^@ ANY (:places::text[])",
    "label": "labels @> :labels::jsonb",
    "registry": "registry = ANY (:registries::text[])",
    "running": "running > 0",
    "verdict": "verdict = ANY (:verdicts::text[])",
}
"""The condition of each filter on a row of `ops.comparisons`."""
OF_A_HOST: Final = frozenset({"site", "place", "label"})
OF_AN_IMAGE: Final = frozenset({"registry", "running", "verdict"})
EVERY: Final = OF_A_HOST | OF_AN_IMAGE


class Filters(Struct, frozen=True, kw_only=True):
    """The filters of a list; an empty one lets everything pass."""

    sites: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
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
            "place": self.places,
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
    def is_of_hosts(self) -> bool:
        """Whether hosts pass by themselves, not by their images."""
        return OF_A_HOST.issuperset(self.kinds) and not self.texts

    @property
    def has_alternatives(self) -> bool:
        """Whether rows may pass although one of the names is not there."""
        return max(map(len, (self.sites, self.places, self.registries))) > 1

    @property
    def values(self) -> dict[str, object]:
        """Give the parameters of the conditions."""
        return {
            "sites": self.sites,
            "places": tuple(f"{place}/" for place in self.places),
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
    """The columns that its rows share with `ops.comparisons`, for all other filters."""
    host_key: str = ""
    """The columns that its rows share with `ops.hosts`, where all other filters are of hosts."""
    texts: tuple[str, ...] = ("reference", "hostname", "host")
    """Columns that a text is looked for in."""
    key_there: str = ""
    """The columns of a key in `ops.comparisons`, where they have other names."""
    conditions: Mapping[str, str] = {}
    """The condition of a filter of `own` on a row, where it differs from `CONDITIONS`."""
    among: str = "{key} IN (\n{keys})"
    """How a row is found among the keys that pass."""


HOST_KEY: Final = "(site, host)"
OF_REFERENCE: Final = "split_part(reference, '/', 1) = ANY (:registries::text[])"
"""The condition of the filter of registries on a row with a reference and no registry."""
OF_HOSTS: Final = Scope(OF_A_HOST, HOST_KEY, texts=("hostname", "host"))
"""Rows of `ops.hosts`."""
_OF_SUBJECT: Final = "(split_part(subject, '.', 4), split_part(subject, '.', 5))"
OF_LETTERS: Final = Scope(
    frozenset({"site"}),
    _OF_SUBJECT,
    _OF_SUBJECT,
    texts=("subject", "service", "reason", "error"),
    key_there=HOST_KEY,
    conditions={
        "site": """\
(starts_with(subject, 'drift.v1.inventory.')
   AND split_part(subject, '.', 4) = ANY (:sites::text[]))""",
    },
)
"""Rows of `ops.dead_letters`; those of a host are refused inventories."""
OF_DECISIONS: Final = Scope(
    OF_A_HOST | {"registry"},
    "reference",
    texts=("pattern", "by", "kind", "reason"),
    conditions={
        "site": "coalesce(selector ->> 'site' = ANY (:sites::text[]), true)",
        "place": """\
(selector -> 'place' IS NULL OR (selector ->> 'place' || '/') ^@ ANY (:places::text[])
   OR EXISTS (SELECT FROM unnest(:places::text[]) AS p
              WHERE starts_with(p, selector ->> 'place' || '/')))""",
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
    conditions = {**CONDITIONS, **scope.conditions}
    own = [conditions[name] for name in filters.kinds if name in scope.own]
    others = [name for name in filters.kinds if name not in scope.own]
    every = [*always, *own, *_among(filters, scope, others)]
    every += [_text(i, scope) for i in range(len(filters.texts))]
    return "WHERE " + "\n  AND ".join(every) if every else ""


def _among(filters: Filters, scope: Scope, others: Sequence[str]) -> list[str]:
    """Write that a row's key passes the filters of columns that the list does not have."""
    if not others:
        return []
    if scope.host_key and OF_A_HOST.issuperset(others):
        keys = _subquery("ops.hosts", scope.key_there or scope.host_key, others)
        return [f"{scope.host_key} IN (\n{keys})"]
    keys = _subquery("ops.comparisons", scope.key_there or scope.key, filters.kinds)
    return [scope.among.format(key=scope.key, keys=keys)]


def _subquery(view: str, key: str, kinds: Sequence[str]) -> str:
    """Write which keys pass."""
    conditions = "\n    AND ".join(CONDITIONS[name] for name in kinds)
    lines = [f"SELECT {key.strip('()')}", f"FROM {view}", f"WHERE {conditions}"]
    return "\n".join(f"    {line}" for line in lines)


def _text(number: int, scope: Scope) -> str:
    name = f"lower(:text_{_letter(number)}::text)"
    found = [f"strpos(lower({column}), {name}) > 0" for column in scope.texts]
    return f"({' OR '.join(found)})"


def _letter(number: int) -> str:
    """Name the number of a text, as a parameter has no digits."""
    return "abcdefghijklmnopqrstuvwxyz"[number % 26] * (number // 26 + 1)
