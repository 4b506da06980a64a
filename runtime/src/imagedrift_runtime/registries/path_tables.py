"""Credentials for a part of a registry: a table in `registries.toml` that names a path.

    [registry."quay.io/org-a"]       # serves quay.io/org-a and quay.io/org-a/x, not quay.io/org-ab
    username = "org-a+robot"
    password_file = "/run/secrets/org-a"

- The longest path that a repository lies in decides, by whole components; where none does, the
  registry's own table.
- Only what says who we are stands in such a table. How a registry is reached is one for all paths.
- The registry counts as named, with or without a table of its own: the operator wrote its name.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from imagedrift_runtime.registries.registry import Registry, entry_faults
from imagedrift_schemas.errors import BadReference
from imagedrift_schemas.reference import ImageReference, parents

T = TypeVar("T")
KEYS: Final = ("username", "password_file", "token_file")


class PathCredential(Struct, frozen=True, kw_only=True):
    """One path's table."""

    path: str
    username: str = ""
    password_file: str = ""
    token_file: str = ""
    label: str = ""
    """The credential's name, where the user's name alone would mean another one, too."""


def longest(by_path: Mapping[str, T], repository: str) -> T | None:
    """Return the table of the longest path that a repository lies in, or None."""
    if not by_path:
        return None
    return next((by_path[path] for path in parents(repository) if path in by_path), None)


def path_faults(host: str, path: str, table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (key, fault) for one path's table; no key for the path itself."""
    if not _is_path(host, path):
        yield "", 'write lower-case parts of a repository after the host: "quay.io/org/team"'
    known = Registry.__struct_fields__
    for key in table:
        if key in known and key not in KEYS:
            yield key, f'a path has none of its own: put it into [registry."{host}"]'
    rest = {key: value for key, value in table.items() if key in KEYS or key not in known}
    for key, why in entry_faults(rest):
        told = "unknown key" if why.startswith("unknown key") else ""
        yield key, f"{told}; a path has {', '.join(KEYS)}" if told else why
    if not any(table.get(key) for key in KEYS):
        yield "", "name a credential: username and password_file, or token_file"


def with_labels(own: Registry, here: Mapping[str, PathCredential]) -> dict[str, PathCredential]:
    """Give a label to each path's credential whose user's name has another secret elsewhere.

    Budgets and answers are kept under a credential's name, so no two may share one.
    """
    secrets = {own.username: {own.token_file or own.password_file}}
    for each in here.values():
        secrets.setdefault(each.username, set()).add(each.token_file or each.password_file)
    return {
        path: replace(each, label=f"{each.username or 'identity-token'} ({path})")
        if len(secrets[each.username] - {""}) > 1
        else each
        for path, each in here.items()
    }


def _is_path(host: str, path: str) -> bool:
    try:
        return ImageReference.parse(f"{host}/{path}/b").path == f"{path}/b"
    except BadReference:
        return False
