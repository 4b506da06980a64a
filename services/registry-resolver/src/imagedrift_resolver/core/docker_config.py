"""Docker's `config.json` and Podman's `auth.json`: what they hold for a repository, in what order.

    {"auths":       {"ghcr.io": {"auth": base64("user:password")},
                     "quay.io/org-a": {"auth": "…"}, "r.example": {"identitytoken": "…"}},
     "credHelpers": {"123.dkr.ecr.eu-west-1.amazonaws.com": "ecr-login"},
     "credsStore":  "secretservice"}

- Docker asks the helper named for the registry, else the store for all, else `auths`. Who is named
  is asked alone; a store that cannot be asked leaves `auths`. Podman knows no store.
- A registry whose helper is named as null or empty text has its credential in `auths`.
- Absent, null and empty mean the same everywhere, as they do to Go.
- A broken part is passed over, and told where nothing else has a credential. One that is this
  registry's own denies it; one that may concern any registry leaves it anonymous.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from imagedrift_resolver.core.credential import Anonymous, Credential, for_path
from imagedrift_resolver.core.credential_entry import EntryFault, read_entry
from imagedrift_resolver.core.credential_keys import (
    HUB_KEY,
    CredentialKey,
    CredentialTable,
    index_of,
)
from imagedrift_resolver.core.json_object import NotAnObject, field, kind_of, read_object
from imagedrift_resolver.core.reply import shown
from imagedrift_schemas.reference import DOCKER_HUB

_HELPER_NAME: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


class Helper(Struct, frozen=True):
    """A program that has the credential: `docker-credential-<suffix>`, asked about `server`."""

    suffix: str
    server: str
    required: bool
    """It was named for this very registry; the store for all may lack it."""
    path: str = ""
    """The part of the registry that it was named for, where that is not the whole."""

    @property
    def program(self) -> str:
        """The program's name."""
        return f"docker-credential-{self.suffix}"


class DockerConfig(Struct, frozen=True):
    """The parts of the file that are about credentials."""

    auths: CredentialTable[Credential | EntryFault] = CredentialTable()
    helpers: CredentialTable[str | EntryFault] = CredentialTable()
    store: str = ""
    is_podman: bool = False
    faults: tuple[EntryFault, ...] = ()
    """The faults of the file, or of a part of it that may concern any registry."""


CredentialStep = Credential | Helper | EntryFault
"""One step of a look-up: a credential is taken, a helper is asked, a fault is kept in mind."""


def parse_config(text: bytes, *, is_podman: bool = False) -> DockerConfig:
    """Read the file's content. What is wrong with it is a part of the result."""
    try:
        document = read_object(text)
    except NotAnObject as error:
        return DockerConfig(faults=(EntryFault(str(error), own=False),))
    faults: list[EntryFault] = []
    auths: CredentialTable[Credential | EntryFault] = index_of(
        _read_map(document, "auths", faults), read_entry
    )
    helpers = _read_map(document, "credHelpers", faults)
    store = _suffix("credsStore", None if is_podman else field(document, "credsStore"))
    if isinstance(store, EntryFault):
        faults.append(EntryFault(store.reason, own=False))
    return DockerConfig(
        auths=CredentialTable({host: _distinct(by_path) for host, by_path in auths.held.items()}),
        helpers=index_of(helpers, lambda key, value: _suffix(f'credHelpers."{shown(key)}"', value)),
        store="" if isinstance(store, EntryFault) else store,
        is_podman=is_podman,
        faults=tuple(faults),
    )


def look_up(
    config: DockerConfig, registry: str, repository: str = ""
) -> tuple[CredentialStep, ...]:
    """Return the credentials to try for a repository, in order; none when the file holds none."""
    steps: list[CredentialStep] = []
    server = HUB_KEY if registry == DOCKER_HUB and not config.is_podman else registry
    store = [Helper(config.store, server, required=False)] if config.store else []
    written = [entry for _, entry in config.auths.matching(registry, repository)]
    for key, suffix in config.helpers.matching(registry, repository):
        if isinstance(suffix, EntryFault):
            steps.append(suffix)
        elif suffix:
            asked = f"{registry}/{key.path}" if key.path else server
            return (*steps, Helper(suffix, asked, required=True, path=key.path))
        else:
            return (*steps, *written, *store, *config.faults)
    return (*steps, *store, *written, *config.faults)


def _read_map(
    document: Mapping[str, Any], name: str, faults: list[EntryFault]
) -> Mapping[str, Any]:
    value = field(document, name)
    if value is None or isinstance(value, dict):
        return value or {}
    faults.append(EntryFault(f"{name}: is {kind_of(value)}, not an object", own=False))
    return {}


def _suffix(path: str, value: Any) -> str | EntryFault:
    """Read the name of a helper; empty when none is named."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return EntryFault(f"{path}: is {kind_of(value)}, not a text")
    if not _HELPER_NAME.issuperset(value):
        return EntryFault(f"{path}: has a character that no program's name has")
    return value


EntriesByPath = dict[str, list[tuple[CredentialKey, Credential | EntryFault]]]


def _distinct(by_path: EntriesByPath) -> EntriesByPath:
    """Name credentials after their paths where a name means different ones at one host.

    Budgets and answers are kept under a credential's name, so no two may share one.
    """
    meant: dict[str, set[Credential]] = {}
    for credential in _credentials(by_path):
        meant.setdefault(credential.name, set()).add(credential)
    if all(len(same) == 1 for same in meant.values()):
        return by_path

    def named(path: str, held: Credential | EntryFault) -> Credential | EntryFault:
        if isinstance(held, EntryFault | Anonymous) or not path or len(meant[held.name]) == 1:
            return held
        return for_path(held, path)

    return {
        path: [(key, named(path, held)) for key, held in entries]
        for path, entries in by_path.items()
    }


def _credentials(by_path: EntriesByPath) -> Iterator[Credential]:
    for entries in by_path.values():
        yield from (held for _, held in entries if not isinstance(held, EntryFault))
