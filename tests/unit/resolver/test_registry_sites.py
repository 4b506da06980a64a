"""From a registry's name to the site that is asked."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from imagedrift_resolver.adapters.registry_sites import Sites
from imagedrift_resolver.core.credential import (
    Anonymous,
    Credential,
    IdentityToken,
    Password,
    Secret,
)
from imagedrift_resolver.core.site import Site
from imagedrift_runtime.registries.operator_file import Registries, Registry, parse
from imagedrift_schemas.v1 import Denied, Refused


class Others:
    """Credentials of somewhere else, and who asked for them."""

    def __init__(self, answer: Credential | Denied | None = None) -> None:
        self.answer = answer or Anonymous()
        self.asked: list[tuple[str, str]] = []

    async def of(self, registry: str, repository: str) -> Credential | Denied:
        """Give the same to everybody."""
        self.asked.append((registry, repository))
        return self.answer


async def site(registry: str, toml: str = "", others: Others | None = None) -> Site:
    """Look a registry up that can be asked."""
    found = await Sites(parse(toml), others or Others()).site(registry, "a/b")
    assert isinstance(found, Site)
    return found


async def test_docker_hub_is_asked_at_its_own_address() -> None:
    """`docker.io` is asked at `registry-1.docker.io`."""
    assert str((await site("docker.io")).api) == "https://registry-1.docker.io/"
    assert str((await site("ghcr.io")).api) == "https://ghcr.io/"


async def test_a_mirror_is_not_shown_what_was_meant_for_the_registry() -> None:
    """A mirror gets the credential of its own name, not the registry's."""
    others = Others(Password("me", Secret("x")))
    found = await site("docker.io", '[registry."docker.io"]\nendpoint = "mirror:5000"\n', others)
    assert (str(found.api), found.namespace) == ("https://mirror:5000/", "docker.io")
    assert others.asked[0] == ("mirror:5000", "a/b")
    assert {registry for registry, _ in others.asked} == {"mirror:5000"}


async def test_secrets_come_from_their_files(tmp_path: Path) -> None:
    """A configured secret is read from its file only, and a missing one is a denial."""
    (tmp_path / "s").write_text("hunter2\n")
    entry = '[registry."a.example"]\n'
    found = await site("a.example", f'{entry}username="me"\npassword_file="{tmp_path}/s"\n')
    assert found.credential == Password("me", Secret("hunter2"))
    found = await site("a.example", f'{entry}token_file="{tmp_path}/s"\n')
    assert found.credential == IdentityToken(Secret("hunter2"))
    toml = f'{entry}username="me"\npassword_file="{tmp_path}/none"\n'
    denied = await Sites(parse(toml), Others()).site("a.example", "a/b")
    assert isinstance(denied, Denied)
    assert "none' cannot be read" in denied.reason


def password(home: Path, name: str) -> str:
    """Two keys of a table: a user, and the password with which it is known."""
    (home / name).write_text(f"of {name}\n")
    return f'username="{name}"\npassword_file="{home / name}"\n'


async def credential(sites: Sites, registry: str, repository: str) -> str:
    """The name of the credential that a repository is asked with."""
    found = await sites.site(registry, repository)
    assert isinstance(found, Site)
    return found.credential.name


async def test_each_path_has_its_own_credential(tmp_path: Path) -> None:
    """Each path has its own credential (containers/image#1288)."""
    toml = "".join(
        f'[registry."{name}"]\n{password(tmp_path, user)}'
        for name, user in (("a.example", "all"), ("a.example/x", "x"), ("a.example/x/y", "y"))
    )
    others = Others(Password("other", Secret("s")))
    sites = Sites(parse(toml), others)
    for _ in range(2):
        names = [
            await credential(sites, "a.example", repository)
            for repository in ("x", "x/z", "x/y", "x/y/z", "xy/z", "z")
        ]
        assert names == ["x", "x", "y", "y", "all", "all"]
    without = Sites(parse(f'[registry."a.example/x"]\n{password(tmp_path, "x")}'), others)
    assert await credential(without, "a.example", "x/z") == "x"
    assert await credential(without, "a.example", "z/z") == "other"
    assert others.asked == [("a.example", "z/z"), ("a.example", "")]


async def test_the_same_user_with_another_password_has_another_name(tmp_path: Path) -> None:
    """One user with two passwords has two credential names."""
    toml = f'[registry."a.example"]\n{password(tmp_path, "robot")}'
    (tmp_path / "second").write_text("of the path")
    toml += f'[registry."a.example/x"]\nusername="robot"\npassword_file="{tmp_path}/second"\n'
    sites = Sites(parse(toml), Others())
    assert await credential(sites, "a.example", "x/z") == "robot (x)"
    assert await credential(sites, "a.example", "z") == "robot"


async def test_a_secret_that_is_missing_denies_its_path_alone(tmp_path: Path) -> None:
    """A missing secret denies its path only."""
    toml = f'[registry."a.example/x"]\ntoken_file="{tmp_path}/none"\n'
    sites = Sites(parse(toml), Others())
    denied = await sites.site("a.example", "x/z")
    assert isinstance(denied, Denied)
    assert "none' cannot be read" in denied.reason
    assert await credential(sites, "a.example", "z") == "anonymous"


async def test_a_mirror_is_shown_what_was_meant_for_itself_alone(tmp_path: Path) -> None:
    """A mirror gets only its own credentials (containerd/containerd#4950)."""
    toml = f'[registry."docker.io/team"]\n{password(tmp_path, "hub")}'
    mirror = {"docker.io": Registry(endpoint="mirror:5000/hub")}
    others = Others()
    known = replace(parse(toml), named=mirror)
    found = await Sites(known, others).site("docker.io", "team/app")
    assert isinstance(found, Site)
    assert isinstance(found.credential, Anonymous)
    assert 'registry."docker.io/team" is not shown to the mirror' in found.credential.note
    assert others.asked == [("mirror:5000", "hub/team/app")]
    toml += f'[registry."mirror:5000/hub"]\n{password(tmp_path, "proxy")}'
    known = replace(parse(toml), named=mirror)
    assert await credential(Sites(known, others), "docker.io", "team/app") == "proxy"


@pytest.mark.parametrize(
    "registry", ["localhost:5000", "10.0.0.1", "registry.example.org:99999", "[::::::]:5000"]
)
async def test_what_cannot_be_asked_is_refused(registry: str) -> None:
    """Inner machines and malformed addresses are refused."""
    refused = await Sites(Registries(), Others()).site(registry, "a/b")
    assert isinstance(refused, Refused)
    assert refused.reason


async def test_realms_are_known_in_lower_case() -> None:
    """Realms are compared in lower case."""
    found = await site("a.example", '[registry."a.example"]\nrealms = ["Auth.Example"]\n')
    assert found.realms == {"auth.example"}


async def test_a_credential_that_cannot_be_had_is_a_denial() -> None:
    """A credential that cannot be read is a denial, without an anonymous request."""
    denied = Denied(reason="the helper failed")
    assert await Sites(Registries(), Others(denied)).site("ghcr.io", "a/b") == denied


class OfOnePath(Others):
    """A credential that is for `a/b` and what is in it."""

    async def of(self, registry: str, repository: str) -> Credential | Denied:
        """Give it there alone."""
        inside = repository == "a/b" or repository.startswith("a/b/")
        return self.answer if inside else Anonymous()


@pytest.mark.parametrize("repository", ["a/b", "a/b/c", "a/b/c/d"])
async def test_a_credential_of_a_path_is_known_as_that(repository: str, tmp_path: Path) -> None:
    """A credential of a path knows its path, from any source."""
    me = Password("me", Secret("hunter2"))
    found = await Sites(Registries(), OfOnePath(me)).site("r.example", repository)
    assert isinstance(found, Site)
    assert (found.credential, found.part) == (me, "a/b")
    (tmp_path / "s").write_text("hunter2\n")
    toml = f'[registry."r.example/a/b"]\nusername = "me"\npassword_file = "{tmp_path}/s"\n'
    found = await Sites(parse(toml), Others()).site("r.example", repository)
    assert isinstance(found, Site)
    assert (found.credential, found.part) == (me, "a/b")
    found = await Sites(Registries(), Others(me)).site("r.example", repository)
    assert isinstance(found, Site)
    assert (found.credential, found.part) == (me, "")
