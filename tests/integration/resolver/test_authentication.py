"""Authentication against the sandbox registry, imitating each vendor's way."""

import json
import os
import stat
from pathlib import Path

import pytest

from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.registry import Auth, SandboxRegistry, Scheme
from imagedrift_schemas.v1 import Answer, Denied, Found
from support.authentication import USERS, with_password
from support.polling import until
from support.resolver import resolve, trusting, working


@pytest.mark.parametrize(
    "auth",
    [
        pytest.param(Auth(scheme=Scheme.BEARER), id="token"),
        pytest.param(Auth(scheme=Scheme.BEARER, token_field="access_token"), id="acr"),
        pytest.param(Auth(scheme=Scheme.BEARER, token_field="both", expires_in=None), id="no-life"),
        pytest.param(
            Auth(
                scheme=Scheme.BEARER,
                challenges=(
                    'Basic realm="gitea"',
                    'Bearer realm="{realm}",service="{service}",scope="*"',
                ),
            ),
            id="gitea",
        ),
        pytest.param(
            Auth(
                scheme=Scheme.BEARER,
                challenges=(
                    'BEARER realm="{realm}",service="{service}",scope="repository:user/image:pull"',
                ),
            ),
            id="ghcr",
        ),
        pytest.param(
            Auth(scheme=Scheme.BEARER, challenges=('Bearer realm="/token",service="{service}"',)),
            id="relative",
        ),
    ],
)
async def test_an_anonymous_token_opens_public_images(
    fresh_nats: NatsServer, tmp_path: Path, auth: Auth
) -> None:
    """Anonymous tokens of every vendor open public images."""
    async with SandboxRegistry(auth=auth).serving() as registry:
        pushed = registry.push_image("team/app", "1.0")
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            answer = await client.ask(registry.reference("team/app", "1.0"))
        assert isinstance(answer.outcome, Found)
        assert answer.outcome.digest == pushed.digest
        assert answer.credential == "anonymous"


@pytest.mark.parametrize("scheme", [Scheme.BASIC, Scheme.BEARER])
async def test_a_password_opens_private_images(
    fresh_nats: NatsServer, tmp_path: Path, scheme: Scheme
) -> None:
    """A password opens private images, by Basic or a token, and the answer names it."""
    auth = Auth(scheme=scheme, users=USERS, private=("*",))
    async with SandboxRegistry(auth=auth).serving() as registry:
        pushed = registry.push_image("team/app", "1.0")
        toml = with_password(tmp_path, registry.host)
        async with working(fresh_nats.url, tmp_path, toml) as client:
            answer = await client.ask(registry.reference("team/app", "1.0"))
        assert answer.last_digest == pushed.digest
        assert answer.credential == "robot$reader"


async def test_a_wrong_password_is_told_and_tried_once(
    fresh_nats: NatsServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A wrong password is reported and sent once."""
    auth = Auth(scheme=Scheme.BASIC, users=USERS)
    async with SandboxRegistry(auth=auth).serving() as registry:
        registry.push_image("team/app", "1.0")
        toml = with_password(tmp_path, registry.host, "wrong-secret")
        async with working(fresh_nats.url, tmp_path, toml) as client:
            answer = await client.ask(registry.reference("team/app", "1.0"))
            entry = await client.answers.get(f"{registry.host}".replace(".", "=2E"))
        assert isinstance(answer.outcome, Denied)
        assert entry is None
        sent = [seen.authorization for seen in registry.counts.requests]
        assert sum(text is not None for text in sent) == 1
    told = capfd.readouterr()
    assert "wrong-secret" not in told.out + told.err + str(answer)


async def test_a_password_that_is_refused_is_not_shown_for_ever(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """A password is paused after three refusals of a token endpoint."""
    auth = Auth(scheme=Scheme.BEARER, users=USERS, private=("*",))
    async with SandboxRegistry(auth=auth).serving() as registry:
        toml = with_password(tmp_path, registry.host, "wrong-secret")
        async with working(fresh_nats.url, tmp_path, toml) as client:
            answers = [
                await client.ask(registry.reference(f"app{number}", "1")) for number in range(6)
            ]
        assert all(isinstance(answer.outcome, Denied) for answer in answers)
        assert "not shown again" in str(answers[-1].outcome)
        assert registry.totals().token_requests == 3


HELPER = """#!/bin/sh
read server
echo "$1 $server" >> {log}
case "$server" in
  {host}) echo '{{"ServerURL":"x","Username":"robot$reader","Secret":"hunter2"}}' ;;
  *) echo "credentials not found in native keychain"; exit 1 ;;
esac
"""


@pytest.mark.parametrize("key", ["credsStore", "credHelpers"])
async def test_a_helper_program_is_asked_for_the_credential(
    fresh_nats: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """A real credential helper is asked once."""
    auth = Auth(scheme=Scheme.BEARER, users=USERS, private=("*",))
    async with SandboxRegistry(auth=auth).serving() as registry:
        pushed = registry.push_image("team/app", "1")
        registry.push_image("team/app", "2")
        program = tmp_path / "docker-credential-vault"
        log = tmp_path / "asked"
        program.write_text(HELPER.format(host=registry.host, log=log))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.getenv('PATH')}")
        config = {key: "vault" if key == "credsStore" else {registry.host: "vault"}}
        async with working(
            fresh_nats.url, tmp_path, trusting(registry.host), docker_config=json.dumps(config)
        ) as client:
            answer = await client.ask(registry.reference("team/app", "1"))
            other = await client.ask(registry.reference("team/app", "2"))
    assert answer.last_digest == pushed.digest
    assert isinstance(other.outcome, Found)
    assert answer.credential == "robot$reader"
    assert log.read_text().splitlines() == [f"get {registry.host}"]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exit 3", "exit code 3"),
        ("echo secret-on-stdout; exit 1", "exit code 1"),
        ("echo '<html>'", "printed no JSON"),
        ("", "is not installed"),
    ],
)
async def test_a_helper_that_fails_is_told(
    fresh_nats: NatsServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    words: str,
) -> None:
    """A failing helper is reported without its output."""
    async with SandboxRegistry(auth=Auth(scheme=Scheme.BEARER)).serving() as registry:
        registry.push_image("team/app", "1")
        program = tmp_path / "docker-credential-vault"
        if script:
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.getenv('PATH')}")
        config = json.dumps({"credHelpers": {registry.host: "vault"}})
        async with working(
            fresh_nats.url, tmp_path, trusting(registry.host), docker_config=config
        ) as client:
            answer = await client.ask(registry.reference("team/app", "1"))
        assert isinstance(answer.outcome, Denied)
        assert words in answer.outcome.reason
        assert "secret-on-stdout" not in str(answer)
        assert registry.totals().total == 0


async def test_what_a_credential_opened_is_not_served_without_it(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """P7: a cached answer of a removed credential is not served."""
    auth = Auth(scheme=Scheme.BEARER, users=USERS, private=("*",))
    async with SandboxRegistry(auth=auth).serving() as registry:
        registry.push_image("team/app", "1")
        reference = registry.reference("team/app", "1")
        question = resolve(reference)
        async with working(
            fresh_nats.url, tmp_path, with_password(tmp_path, registry.host)
        ) as client:
            await client.put(question, 1)
            first = await client.answer(question)
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            again = resolve(reference, fresh_since=question.fresh_since)
            await client.put_anew(again)

            async def without() -> Answer | None:
                known: Answer | None = await client.read(again, Answer)
                return known if known and known.credential == "anonymous" else None

            second: Answer = await until(without, what="an answer without the credential")
    assert isinstance(first.outcome, Found)
    assert isinstance(second.outcome, Denied)
    assert second.last_digest == ""
