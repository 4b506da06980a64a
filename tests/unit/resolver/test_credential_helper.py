"""Credential helpers: programs that fail, and how long their word is kept."""

import os
from pathlib import Path

import pytest

from imagedrift_resolver.adapters.credential_helper import FAILED_KEPT_S
from imagedrift_resolver.core.credential import ANONYMOUS, Anonymous
from imagedrift_schemas.v1 import Denied
from support.credential_folder import GOOD, credentials_in, name_of, with_helper
from support.virtual_time import StillClock


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the PATH, for a helper called `vault`."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.getenv('PATH')}")
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
async def test_a_failure_of_a_helper_is_forgotten_soon(home: Path, store: bool) -> None:
    """A helper's failure is cached for seconds."""
    clock = StillClock()
    credentials = with_helper(home, GOOD.format(home=home), store=store, clock=clock)
    (home / "broken").touch()

    assert await name_of(credentials) == (ANONYMOUS if store else "denied")
    (home / "broken").unlink()
    clock.at += FAILED_KEPT_S - 1
    assert await name_of(credentials) == (ANONYMOUS if store else "denied")
    clock.at += 1
    assert await name_of(credentials) == "robot"


async def test_a_failure_is_kept_for_a_moment_and_a_word_for_long(home: Path) -> None:
    """A thousand questions start a helper once."""
    credentials = with_helper(home, GOOD.format(home=home), store=False)
    (home / "broken").touch()
    assert [await name_of(credentials) for _ in range(3)] == ["denied"] * 3
    assert (home / "asked").read_text() == "asked\n"

    (home / "broken").unlink()
    again = credentials_in(home)
    assert [await name_of(again) for _ in range(3)] == ["robot"] * 3
    assert (home / "asked").read_text() == "asked\nasked\n"
