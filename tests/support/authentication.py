"""Registries that ask for a credential."""

from pathlib import Path

from support.resolver import trusting

USERS = {"robot$reader": "hunter2"}


def with_password(home: Path, host: str, password: str = "hunter2") -> str:
    """A `registries.toml` with a password in a file of its own."""
    (home / "password").write_text(f"{password}\n")
    return trusting(host, username="robot$reader", password_file=str(home / "password"))
