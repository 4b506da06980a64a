"""Credential helpers: programs that fail, and how long their word is kept."""

import os
from pathlib import Path

import pytest

from imagedrift_resolver.adapters import credential_file, credential_helper
from imagedrift_resolver.adapters.docker_config import DockerCredentials
from imagedrift_resolver.core.credential import ANONYMOUS, Anonymous
from imagedrift_schemas.v1 import Denied
from support.credential_folder import GOOD, name_of, with_helper


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the PATH, for a helper called `vault`."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.getenv('PATH')}")
    monkeypatch.setattr(credential_file, "LOOK_EVERY_S", 0.0)
    return tmp_path


@pytest.mark.parametrize("store", [True, False])
async def test_a_helper_that_cannot_be_started_is_told(
    home: Path, store: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """A helper that cannot be started is reported, and stops no question."""
    credentials = with_helper(home, "#!/no/such/interpreter\n", store=store)

    found = await credentials.of("r.example", "a/b")
    told = found.reason if isinstance(found, Denied) else getattr(found, "note", "")
    assert isinstance(found, Anonymous if store else Denied)
    assert "docker-credential-vault cannot be started" in told
    assert f"config.json in {home}" in told
    assert "cannot be started" in capsys.readouterr().out


@pytest.mark.parametrize("store", [True, False])
async def test_a_failure_of_a_helper_is_forgotten_soon(
    home: Path, monkeypatch: pytest.MonkeyPatch, store: bool
) -> None:
    """A helper's failure is cached for seconds."""
    monkeypatch.setattr(credential_helper, "FAILED_KEPT_S", 0.0)
    credentials = with_helper(home, GOOD.format(home=home), store=store)
    (home / "broken").touch()

    assert await name_of(credentials) == (ANONYMOUS if store else "denied")
    (home / "broken").unlink()
    assert await name_of(credentials) == "robot"


async def test_a_failure_is_kept_for_a_moment_and_a_word_for_long(home: Path) -> None:
    """A thousand questions start a helper once."""
    credentials = with_helper(home, GOOD.format(home=home), store=False)
    (home / "broken").touch()
    assert [await name_of(credentials) for _ in range(3)] == ["denied"] * 3
    assert (home / "asked").read_text() == "asked\n"

    (home / "broken").unlink()
    again = DockerCredentials(home)
    assert [await name_of(again) for _ in range(3)] == ["robot"] * 3
    assert (home / "asked").read_text() == "asked\nasked\n"
