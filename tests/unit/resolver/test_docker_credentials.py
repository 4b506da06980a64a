"""Credential helpers as programs, and several places of credentials in their order."""

import json
import os
from pathlib import Path

import pytest

from imagedrift_resolver.adapters.docker_config import docker_credentials
from imagedrift_resolver.core.credential import ANONYMOUS, Anonymous
from imagedrift_resolver.settings import ResolverSettings
from imagedrift_schemas.v1 import Denied
from support.credential_folder import GOOD, auths, credentials_in, entry, name_of, with_helper
from support.virtual_time import PassingClock


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the PATH, for a helper called `vault`."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.getenv('PATH')}")
    return tmp_path


async def test_a_store_is_asked_alone_and_leaves_the_file_only_when_it_fails(home: Path) -> None:
    """A store is asked alone, unless it fails (GoogleContainerTools/jib#1819)."""
    credentials = with_helper(home, GOOD.format(home=home), store=True, **auths(r_example="old"))
    assert await name_of(credentials) == "robot"
    (home / "lost").touch()
    assert await name_of(credentials_in(home)) == ANONYMOUS
    (home / "broken").touch()
    assert await name_of(credentials_in(home)) == "old"


async def test_the_first_place_that_has_a_credential_decides(home: Path) -> None:
    """The first source with a credential decides, per registry (docker/cli#6008)."""
    (home / "config.json").write_text(json.dumps(auths(a_example="docker", b_example="docker")))
    for name in ("one.json", "two.json"):
        held = auths(a_example=name, b_example=name, c_example=name)
        (home / name).write_text(json.dumps(held))
    (home / "two.json").write_text(json.dumps(auths(c_example="two", d_example="two")))
    credentials = credentials_in(
        home,
        text=json.dumps(auths(a_example="environment")),
        podman=[home / "one.json", home / "two.json"],
    )
    names = [await name_of(credentials, f"{letter}.example") for letter in "abcde"]
    assert names == ["environment", "docker", "one.json", "two", ANONYMOUS]


async def test_podmans_files_are_found_where_podman_has_them(home: Path) -> None:
    """Podman's files are found at Podman's paths (genuinetools/reg#227)."""
    for folder, registry in (("run", "b_example"), ("config", "c_example")):
        (home / folder / "containers").mkdir(parents=True)
        held = json.dumps(auths(**{registry: folder}))
        (home / folder / "containers" / "auth.json").write_text(held)
    (home / "named.json").write_text(json.dumps(auths(a_example="named")))
    settings = ResolverSettings(
        nats_url=("nats://127.0.0.1:1",),
        docker_config=str(home / "none"),
        registry_auth_file=str(home / "named.json"),
        runtime_dir=str(home / "run"),
        config_home=str(home / "config"),
    )
    credentials = docker_credentials(settings, PassingClock())
    names = [await name_of(credentials, f"{letter}.example") for letter in "abc"]
    assert names == ["named", "run", "config"]
    unset = ResolverSettings(nats_url=("nats://127.0.0.1:1",)).podman_files
    assert str(unset[0]) == f"/run/containers/{os.getuid()}/auth.json"
    assert unset[1] == Path("~/.config/containers/auth.json").expanduser()


BROKEN = ['{"auths": {"r.exam', "\ufeff{}", "[]", '{"auths": 7}', '{"credsStore": 7}']


@pytest.mark.parametrize("text", BROKEN)
async def test_a_broken_file_leaves_registries_to_the_other_places(
    home: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A broken file leaves registries to other sources (docker/cli#1637, moby/moby#18634)."""
    (home / "config.json").write_text(text)
    (home / "auth.json").write_text(json.dumps(auths(r_example="podman")))
    credentials = credentials_in(home, podman=[home / "auth.json"])

    assert await name_of(credentials) == "podman"
    found = await credentials.of("open.example", "a/b")
    assert isinstance(found, Anonymous)
    assert found.note.startswith(f"config.json in {home}: ")
    assert f"config.json in {home}" in capsys.readouterr().out


async def test_a_broken_entry_denies_its_registry_unless_another_place_serves_it(
    home: Path,
) -> None:
    """A broken entry denies its registry, unless another source has a credential."""
    held = {"auths": {"r.example": {"auth": "%hunter2"}, "s.example": entry("docker")}}
    (home / "config.json").write_text(json.dumps(held))

    denied = await credentials_in(home).of("r.example", "a/b")
    assert denied == Denied(reason=f'config.json in {home}: auths."r.example".auth: is not base64')
    assert await name_of(credentials_in(home), "s.example") == "docker"
    (home / "auth.json").write_text(json.dumps(auths(r_example="podman")))
    assert await name_of(credentials_in(home, podman=[home / "auth.json"])) == "podman"


async def test_a_broken_environment_is_told_by_its_variable(home: Path) -> None:
    """A broken DOCKER_AUTH_CONFIG is reported by its name only."""
    credentials = credentials_in(home, text='{"auths": hunter2')
    found = await credentials.of("r.example", "a/b")
    assert isinstance(found, Anonymous)
    assert found.note == "DOCKER_AUTH_CONFIG: is not JSON (line 1)"
