"""Settings that are secrets: read from files, and never repeated."""

import string
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from imagedrift_runtime import settings
from imagedrift_runtime.settings import SettingsFault, Variable
from support.example_settings import Example, faults


def test_a_secret_is_not_repeated() -> None:
    """A value that is wrong and secret is not shown, whatever is wrong with it."""
    told = faults(X_DSN="hu", X_PIN="hunter2")

    assert len(told) == 2
    assert not any("hu" in line for line in told)
    assert told[1].startswith("X_PIN: not valid, and secret")


def test_a_password_in_an_address_is_not_repeated() -> None:
    """An address that is wrong is shown without who may use it."""
    (told,) = faults(X_DSN="dsn", NATS_URL="nats://a:1,http://user:hunter2@b")

    assert told.startswith("NATS_URL: ")
    assert "hunter2" not in told
    assert told.count("@b") == 1


def test_a_secret_can_stand_in_a_file(tmp_path: Path) -> None:
    """`NAME_FILE` holds the path; the line break at its end does not count."""
    path = tmp_path / "dsn"
    path.write_text("postgresql://u:p@h/d\n")

    assert settings.load(Example, {"X_DSN_FILE": str(path)}).dsn == "postgresql://u:p@h/d"


def test_a_secret_that_stands_in_both_places_is_a_fault(tmp_path: Path) -> None:
    """Of two values for one secret the one that was meant is unknown."""
    assert faults(X_DSN="dsn", X_DSN_FILE="/x") == [
        "X_DSN: set, and X_DSN_FILE too; only one of them can hold"
    ]


def test_a_secret_is_read_anew_from_its_file(tmp_path: Path) -> None:
    """The environment does not change; a missing file tells nothing."""
    path = tmp_path / "dsn"
    path.write_text("old")
    environment = {"X_DSN_FILE": str(path)}
    assert settings.load(Example, environment).dsn == "old"
    path.write_text("new\n")
    assert settings.read_again(Example, "dsn", environment) == "new"
    path.unlink()
    assert settings.read_again(Example, "dsn", environment) == ""
    assert settings.read_again(Example, "dsn", {"X_DSN": "dsn"}) == ""


def test_only_a_secret_has_a_file() -> None:
    """The file of any other variable is not looked at."""
    assert settings.load(Example, {"X_DSN": "dsn", "X_COUNT_FILE": "/no/such"}).count == 3


def test_a_default_of_a_secret_is_not_shown() -> None:
    """A secret's default is hidden even where it is good for a demonstration alone."""

    class WithDefault(Struct, frozen=True):
        password: Annotated[str, Variable("X_P", "opens it", secret=True)] = "hunter2"

    assert settings.describe(WithDefault)[0][1] == "secret"


@given(st.text(alphabet=string.ascii_letters + string.digits, min_size=8, max_size=30))
def test_no_secret_is_ever_told(secret: str) -> None:
    """The secret may be any text in any place."""
    told = "\n".join(faults(X_PIN=f"x{secret}", X_COUNT="x"))

    assert f"x{secret}" not in told


class Proxied(Struct, frozen=True, kw_only=True):
    """A setting that is known under two names."""

    proxy: Annotated[str, Variable("X_PROXY", "where to go", secret=True, other_name="x_proxy")] = (
        ""
    )


def test_a_variable_is_read_by_its_other_name_where_the_first_is_not_set(tmp_path: Path) -> None:
    """Proxies are written in capitals by some and in small letters by others."""
    (tmp_path / "file").write_text("from a file\n")
    assert settings.load(Proxied, {"x_proxy": "small"}).proxy == "small"
    assert settings.load(Proxied, {"X_PROXY": "capital", "x_proxy": "small"}).proxy == "capital"
    assert settings.load(Proxied, {"X_PROXY_FILE": str(tmp_path / "file")}).proxy == "from a file"


@pytest.mark.parametrize("password", ["hunter#2", "hunter?2", "hunter/2", "hun@ter#2"])
def test_a_password_that_would_be_told_as_a_port_is_refused_unsaid(password: str) -> None:
    """A character that ends a host's name is refused in an address, without the value."""
    with pytest.raises(SettingsFault) as raised:
        settings.load(Example, {"X_DSN": "dsn", "NATS_URL": f"nats://me:{password}@host:4222"})

    (told,) = raised.value.faults
    assert told.startswith("NATS_URL: ")
    assert "hun" not in told
