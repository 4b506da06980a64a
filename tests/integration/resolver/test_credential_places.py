"""Places of credentials, broken and whole, through a running resolver: who is shown what."""

import asyncio
import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.registry import Auth, SandboxRegistry, Scheme
from imagedrift_schemas.v1 import Denied, Found
from support.resolver import resolver_client as sitting
from support.resolver import spawn, trusting, working

USERS = {"a": "secret-a", "b": "secret-b", "me": "secret-me"}


def entry(user: str, password: str = "") -> dict[str, str]:
    """An entry as `docker login` writes it."""
    pair = f"{user}:{password or USERS[user]}"
    return {"auth": base64.b64encode(pair.encode()).decode()}


def shown(registry: SandboxRegistry) -> set[tuple[str, str]]:
    """Which user was shown for which repository."""
    seen = set()
    for request in registry.counts.requests:
        if request.authorization:
            pair = base64.b64decode(request.authorization.split()[-1]).decode()
            seen.add((request.path.split("/")[2], pair.partition(":")[0]))
    return seen


def install(home: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Install a credential helper called `vault`."""
    program = home / "docker-credential-vault"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{home}:{os.getenv('PATH')}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "null",
        '{"auths": null}',
        '{"auths": {"REG": null}}',
        '{"auths": {"REG": {"auth": ""}}}',
        '{"auths": {"REG": {"auth": null}}}',
        '{"credsStore": null, "credHelpers": {"REG": ""}}',
        "\ufeff{}",
        '{"auths": {"REG',
        '{"auths": {"other.example": {"auth": "%"}}}',
    ],
)
async def test_a_file_that_says_nothing_locks_out_no_registry(
    fresh_nats: NatsServer, tmp_path: Path, text: str
) -> None:
    """An empty credential file denies no registry (docker/cli#2599, moby/moby#18634)."""
    async with SandboxRegistry().serving() as registry:
        pushed = registry.push_image("team/app", "1")
        (tmp_path / "docker").mkdir()
        (tmp_path / "docker" / "config.json").write_text(text.replace("REG", registry.host))
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            answer = await client.ask(registry.reference("team/app", "1"))
    assert isinstance(answer.outcome, Found)
    assert answer.last_digest == pushed.digest
    assert answer.credential == "anonymous"


async def test_a_broken_entry_denies_its_registry_and_is_told_with_file_and_key(
    fresh_nats: NatsServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A broken entry denies its registry, with file and key (oras-project/oras-go#962)."""
    auth = Auth(scheme=Scheme.BASIC, users=USERS)
    async with (
        SandboxRegistry(auth=auth).serving() as broken,
        SandboxRegistry(auth=auth).serving() as whole,
    ):
        pushed = whole.push_image("team/app", "1")
        config = {"auths": {broken.host: {"auth": "%hunter2"}, whole.host: entry("me")}}
        toml = trusting(broken.host, whole.host)
        async with working(
            fresh_nats.url, tmp_path, toml, docker_config=json.dumps(config)
        ) as client:
            denied = await client.ask(broken.reference("team/app", "1"))
            found = await client.ask(whole.reference("team/app", "1"))
        assert broken.totals().total == 0
    where = f'config.json in {tmp_path}/docker: auths."{broken.host}".auth: is not base64'
    assert denied.outcome == Denied(reason=where)
    assert found.last_digest == pushed.digest
    told = capfd.readouterr()
    assert "hunter2" not in told.out + told.err + str(denied)


@pytest.mark.parametrize("left", [entry("me", "old"), {"auth": ""}, {"email": "x@y"}, {}])
async def test_a_store_beats_what_is_left_in_the_file(
    fresh_nats: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: dict[str, str]
) -> None:
    """A store overrides `auths` (GoogleContainerTools/jib#1819, containers/image#656)."""
    install(tmp_path, monkeypatch, 'echo \'{"Username": "me", "Secret": "secret-me"}\'')
    async with SandboxRegistry(auth=Auth(scheme=Scheme.BASIC, users=USERS)).serving() as registry:
        pushed = registry.push_image("team/app", "1")
        config = {"auths": {registry.host: left}, "credsStore": "vault"}
        async with working(
            fresh_nats.url, tmp_path, trusting(registry.host), docker_config=json.dumps(config)
        ) as client:
            answer = await client.ask(registry.reference("team/app", "1"))
    assert answer.last_digest == pushed.digest


async def test_a_registry_without_a_helper_of_its_own_is_read_from_the_file(
    fresh_nats: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A helper with an empty name makes `auths` count."""
    install(tmp_path, monkeypatch, 'echo \'{"Username": "me", "Secret": "wrong"}\'')
    async with SandboxRegistry(auth=Auth(scheme=Scheme.BASIC, users=USERS)).serving() as registry:
        pushed = registry.push_image("team/app", "1")
        config = {
            "auths": {registry.host: entry("me")},
            "credHelpers": {registry.host: ""},
            "credsStore": "vault",
        }
        async with working(
            fresh_nats.url, tmp_path, trusting(registry.host), docker_config=json.dumps(config)
        ) as client:
            answer = await client.ask(registry.reference("team/app", "1"))
    assert answer.last_digest == pushed.digest


@pytest.mark.parametrize("place", ["registries.toml", "config.json", "auth.json"])
async def test_each_organisation_has_its_own_credential(
    fresh_nats: NatsServer, tmp_path: Path, place: str
) -> None:
    """Each organisation has its own credential (containers/image#1288)."""
    async with SandboxRegistry(auth=Auth(scheme=Scheme.BASIC, users=USERS)).serving() as registry:
        for organisation in ("org-a", "org-b", "org-ab"):
            registry.push_image(f"{organisation}/app", "1")
        toml = trusting(registry.host)
        config: dict[str, dict[str, Any]] = {"auths": {}}
        for user in ("a", "b"):
            if place == "registries.toml":
                (tmp_path / user).write_text(USERS[user])
                toml += f'[registry."{registry.host}/org-{user}"]\nusername = "{user}"\n'
                toml += f'password_file = "{tmp_path / user}"\n'
            config["auths"][f"{registry.host}/org-{user}"] = entry(user)
        settings = written(tmp_path, place, config)
        async with working(fresh_nats.url, tmp_path, toml, **settings) as client:
            answers = {
                name: await client.ask(registry.reference(f"{name}/app", "1"))
                for name in ("org-a", "org-b", "org-ab")
            }
        assert shown(registry) == {("org-a", "a"), ("org-b", "b")}
    assert isinstance(answers["org-a"].outcome, Found)
    assert isinstance(answers["org-b"].outcome, Found)
    assert isinstance(answers["org-ab"].outcome, Denied)
    names = [answer.credential for answer in answers.values()]
    assert names == ["a", "b", "anonymous"]


async def test_each_organisation_has_its_own_token(fresh_nats: NatsServer, tmp_path: Path) -> None:
    """Credentials of one user name share no token and no budget (containers/image#1288)."""
    auth = Auth(
        scheme=Scheme.BEARER, users=USERS, identity_tokens={"t-a": "a", "t-b": "b"}, private=("*",)
    )
    async with SandboxRegistry(auth=auth).serving() as registry:
        toml = trusting(registry.host)
        for name in ("a", "b"):
            registry.push_image(f"org-{name}/app", "1")
            (tmp_path / name).write_text(f"t-{name}")
            toml += f'[registry."{registry.host}/org-{name}"]\ntoken_file = "{tmp_path / name}"\n'
        async with working(fresh_nats.url, tmp_path, toml) as client:
            answers = [
                await client.ask(registry.reference(f"org-{name}/app", "1")) for name in ("a", "b")
            ]
        assert registry.totals().token_requests == 2
    assert all(isinstance(answer.outcome, Found) for answer in answers)
    names = [answer.credential for answer in answers]
    assert names == ["identity-token (org-a)", "identity-token (org-b)"]


@pytest.mark.parametrize(
    "place", ["DOCKER_AUTH_CONFIG", "config.json", "REGISTRY_AUTH_FILE", "auth.json", "config"]
)
async def test_every_place_of_docker_and_podman_is_read(
    fresh_nats: NatsServer, tmp_path: Path, place: str
) -> None:
    """Every file of Docker and Podman is read (docker/cli#6008, genuinetools/reg#227)."""
    async with SandboxRegistry(auth=Auth(scheme=Scheme.BASIC, users=USERS)).serving() as registry:
        pushed = registry.push_image("team/app", "1")
        settings = written(tmp_path, place, {"auths": {registry.host: entry("me")}})
        async with working(fresh_nats.url, tmp_path, trusting(registry.host), **settings) as client:
            answer = await client.ask(registry.reference("team/app", "1"))
    assert answer.last_digest == pushed.digest
    assert answer.credential == "me"


async def test_the_environment_of_a_process_names_the_places(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """The environment names the credential files (docker/cli#6008)."""
    auth = Auth(scheme=Scheme.BASIC, users=USERS)
    async with (
        SandboxRegistry(auth=auth).serving() as first,
        SandboxRegistry(auth=auth).serving() as second,
    ):
        digests = [each.push_image("team/app", "1").digest for each in (first, second)]
        toml = trusting(first.host, second.host)
        written(tmp_path / "one", "auth.json", {"auths": {second.host: entry("b")}})
        environment = {"DOCKER_AUTH_CONFIG": json.dumps({"auths": {first.host: entry("a")}})}
        async with sitting(fresh_nats.url, toml) as at:
            child = spawn(fresh_nats.url, tmp_path / "one", toml, environment)
            try:
                answers = [
                    await at.ask(each.reference("team/app", "1")) for each in (first, second)
                ]
            finally:
                await asyncio.to_thread(child.stop)
    assert [answer.last_digest for answer in answers] == digests
    assert [answer.credential for answer in answers] == ["a", "b"]
    log = (tmp_path / "one" / "resolver.log").read_text()
    assert not any(secret in log for secret in USERS.values())


async def test_a_broken_place_leaves_the_registry_to_the_next(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """A broken source leaves the registry to the next one."""
    async with SandboxRegistry(auth=Auth(scheme=Scheme.BASIC, users=USERS)).serving() as registry:
        pushed = registry.push_image("team/app", "1")
        settings = written(tmp_path, "auth.json", {"auths": {registry.host: entry("me")}})
        async with working(
            fresh_nats.url,
            tmp_path,
            trusting(registry.host),
            docker_config=json.dumps({"auths": {registry.host: {"auth": "%"}}}),
            docker_auth_config='{"auths"',
            **settings,
        ) as client:
            answer = await client.ask(registry.reference("team/app", "1"))
    assert answer.last_digest == pushed.digest


def written(home: Path, place: str, config: dict[str, Any]) -> dict[str, Any]:
    """Put a configuration at one of the places and return the settings that lead there."""
    text = json.dumps(config)
    files = {"auth.json": home / "run", "config": home / "config"}
    match place:
        case "DOCKER_AUTH_CONFIG":
            return {"docker_auth_config": text}
        case "config.json":
            return {"docker_config": text}
        case "REGISTRY_AUTH_FILE":
            (home / "named").write_text(text)
            return {"registry_auth_file": str(home / "named")}
        case "auth.json" | "config":
            (files[place] / "containers").mkdir(parents=True)
            (files[place] / "containers" / "auth.json").write_text(text)
    return {}
