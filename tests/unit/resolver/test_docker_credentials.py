"""Credential helpers as programs: how long their word is taken, and what becomes of bad ones."""

import json
import os
from pathlib import Path

import pytest

from imagedrift_resolver.adapters import docker_config
from imagedrift_resolver.adapters.docker_config import DockerCredentials
from imagedrift_resolver.core.credential import ANONYMOUS
from imagedrift_schemas.v1 import Denied

GOOD = """#!/bin/sh
echo asked >> {home}/asked
[ -e {home}/broken ] && exit 7
echo '{{"Username": "robot", "Secret": "hunter2"}}'
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the PATH, for a helper called `vault`."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.getenv('PATH')}")
    return tmp_path


def with_helper(home: Path, text: str, *, store: bool) -> DockerCredentials:
    """Install the helper, for one registry or as the store for all."""
    program = home / "docker-credential-vault"
    program.write_text(text)
    program.chmod(0o755)
    told = {"credsStore": "vault"} if store else {"credHelpers": {"r.example": "vault"}}
    (home / "config.json").write_text(json.dumps(told))
    return DockerCredentials(home)


async def name_of(credentials: DockerCredentials) -> str:
    """The name of what is found for the registry, or `denied`."""
    found = await credentials.of("r.example")
    return "denied" if isinstance(found, Denied) else found.name


@pytest.mark.parametrize("store", [True, False])
async def test_a_helper_that_cannot_be_started_is_told(
    home: Path, store: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its interpreter is missing: that is no defect of ours, and stops no question."""
    credentials = with_helper(home, "#!/no/such/interpreter\n", store=store)

    assert await name_of(credentials) == (ANONYMOUS if store else "denied")
    if not store:
        denied = await credentials.of("r.example")
        assert isinstance(denied, Denied)
        assert "docker-credential-vault cannot be started" in denied.reason
    assert "cannot be started" in capsys.readouterr().out


@pytest.mark.parametrize("store", [True, False])
async def test_a_failure_of_a_helper_is_forgotten_soon(
    home: Path, monkeypatch: pytest.MonkeyPatch, store: bool
) -> None:
    """A vault that was away for a moment must not make a registry unreadable for minutes."""
    monkeypatch.setattr(docker_config, "FAILED_KEPT_S", 0.0)
    credentials = with_helper(home, GOOD.format(home=home), store=store)
    (home / "broken").touch()

    assert await name_of(credentials) == (ANONYMOUS if store else "denied")
    (home / "broken").unlink()
    assert await name_of(credentials) == "robot"


async def test_a_failure_is_kept_for_a_moment_and_a_word_for_long(home: Path) -> None:
    """A thousand questions must not start a thousand programs, whatever those say."""
    credentials = with_helper(home, GOOD.format(home=home), store=False)
    (home / "broken").touch()
    assert [await name_of(credentials) for _ in range(3)] == ["denied"] * 3
    assert (home / "asked").read_text() == "asked\n"

    (home / "broken").unlink()
    again = DockerCredentials(home)
    assert [await name_of(again) for _ in range(3)] == ["robot"] * 3
    assert (home / "asked").read_text() == "asked\nasked\n"
