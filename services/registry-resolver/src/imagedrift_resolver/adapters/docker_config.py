"""Credentials as the command lines of Docker and Podman would find them, source by source.

The first source that has a credential for the repository decides. A broken one is passed
over; if no other has one, a fault of the registry's own denies it, and any other fault is noted
beside its anonymity.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final, Protocol

from imagedrift_resolver.adapters.credential_file import CredentialFile, CredentialText
from imagedrift_resolver.adapters.credential_helper import Helpers
from imagedrift_resolver.core.credential import Anonymous, Credential
from imagedrift_resolver.core.credential_entry import EntryFault
from imagedrift_resolver.core.docker_config import CredentialStep, DockerConfig, Helper, look_up
from imagedrift_resolver.settings import ResolverSettings
from imagedrift_runtime.clock import Clock
from imagedrift_runtime.logs import get_logger
from imagedrift_schemas.v1 import Denied

log = get_logger()

MOST_TOLD: Final = 1000


class DockerConfigSource(Protocol):
    """A source of credentials."""

    name: str

    def read(self) -> tuple[DockerConfig, bool]:
        """Return its credentials, and whether they have changed."""


class DockerCredentials:
    """Sources of credentials in the format of Docker, in order."""

    def __init__(
        self, folder: Path, clock: Clock, *, text: str = "", podman: Iterable[Path] = ()
    ) -> None:
        self._sources: list[DockerConfigSource] = (
            [CredentialText("DOCKER_AUTH_CONFIG", text)] if text else []
        )
        self._sources.append(CredentialFile(folder / "config.json", clock))
        self._sources += [CredentialFile(path, clock, is_podman=True) for path in podman]
        self._helpers = Helpers(clock)
        self._told: set[str] = set()

    async def of(self, registry: str, repository: str = "") -> Credential | Denied:
        """Return the credential for a repository, or why the configured one cannot be had."""
        faults: list[EntryFault] = []
        for source in self._sources:
            config, has_changed = source.read()
            if has_changed:
                self._helpers.forget()
                self._told.clear()
            found, passed_over = await self._try(look_up(config, registry, repository))
            faults += [
                EntryFault(f"{source.name}: {each.reason}", each.own) for each in passed_over
            ]
            if found:
                self._tell(registry, faults)
                return found
        self._tell(registry, faults)
        own = next((fault for fault in faults if fault.own), None)
        if own:
            return Denied(reason=own.reason)
        return Anonymous(note=faults[0].reason if faults else "")

    async def _try(
        self, steps: tuple[CredentialStep, ...]
    ) -> tuple[Credential | None, list[EntryFault]]:
        """Try the entries of one source; return the first credential, and the faults before it."""
        faults: list[EntryFault] = []
        for step in steps:
            told = await self._helpers.ask(step) if isinstance(step, Helper) else step
            if not isinstance(told, EntryFault):
                return told, faults
            faults.append(told)
            if isinstance(step, Helper) and step.required:
                break
        return None, faults

    def _tell(self, registry: str, faults: list[EntryFault]) -> None:
        """Log each fault that concerns a registry once, until a file changes."""
        for fault in faults:
            if fault.reason not in self._told and len(self._told) < MOST_TOLD:
                self._told.add(fault.reason)
                log.warning("credential.unavailable", registry=registry, error=fault.reason)


def docker_credentials(settings: ResolverSettings, clock: Clock) -> DockerCredentials:
    """Return the sources that the environment names, in order."""
    return DockerCredentials(
        settings.docker_folder,
        clock,
        text=settings.docker_auth_config,
        podman=settings.podman_files,
    )
