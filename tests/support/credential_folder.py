"""A folder with a file of credentials, and a credential helper on the PATH."""

import base64
import json
from pathlib import Path
from typing import Any

from imagedrift_resolver.adapters.docker_config import DockerCredentials
from imagedrift_runtime.clock import Clock
from imagedrift_schemas.v1 import Denied
from support.virtual_time import PassingClock

GOOD = """#!/bin/sh
echo asked >> {home}/asked
[ -e {home}/broken ] && exit 7
[ -e {home}/lost ] && {{ echo credentials not found in native keychain; exit 1; }}
echo '{{"Username": "robot", "Secret": "hunter2"}}'
"""


def auths(**users: str) -> dict[str, Any]:
    """A file that holds a user for each registry; `_` in a name stands for a dot."""
    return {"auths": {name.replace("_", "."): entry(user) for name, user in users.items()}}


def entry(user: str) -> dict[str, str]:
    """An entry as `docker login` writes it."""
    return {"auth": base64.b64encode(f"{user}:hunter2".encode()).decode()}


def install(home: Path, text: str) -> None:
    """Install the helper."""
    program = home / "docker-credential-vault"
    program.write_text(text)
    program.chmod(0o755)


def credentials_in(home: Path, clock: Clock | None = None, **places: Any) -> DockerCredentials:
    """The credentials of a folder, whose files are looked at each time."""
    return DockerCredentials(home, clock or PassingClock(), **places)


def with_helper(
    home: Path, text: str, *, store: bool, clock: Clock | None = None, **more: Any
) -> DockerCredentials:
    """Install the helper, for one registry or as the store for all."""
    install(home, text)
    told = {"credsStore": "vault"} if store else {"credHelpers": {"r.example": "vault"}}
    (home / "config.json").write_text(json.dumps(told | more))
    return credentials_in(home, clock)


async def name_of(credentials: DockerCredentials, registry: str = "r.example") -> str:
    """The name of what is found for a registry, or `denied`."""
    found = await credentials.of(registry, "a/b")
    return "denied" if isinstance(found, Denied) else found.name
