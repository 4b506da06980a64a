"""Credentials: their names, and their secrets, which are written nowhere."""

from rich.pretty import pretty_repr

from imagedrift_resolver.core.credential import (
    Anonymous,
    IdentityToken,
    Password,
    RegistryToken,
    Secret,
)
from imagedrift_resolver.core.docker_config import look_up
from support.credential_files import ME, auth, config


def test_one_user_name_with_two_passwords_is_two_credentials() -> None:
    """Two passwords of one user name are two credentials, named with their path."""
    held = config(
        auths={
            "r.example": auth("robot:1"),
            "r.example/org-a": auth("robot:2"),
            "r.example/org-b": auth("other:3"),
            "r.example/org-c": {"identitytoken": "x"},
            "r.example/org-d": {"identitytoken": "y"},
        }
    )
    names = {path: look_up(held, "r.example", f"{path}/x")[0] for path in ("a", "org-a", "org-b")}
    assert [getattr(each, "name", None) for each in names.values()] == [
        "robot",
        "robot (org-a)",
        "other",
    ]
    for path in ("org-c", "org-d"):
        token = look_up(held, "r.example", f"{path}/x")[0]
        assert isinstance(token, IdentityToken)
        assert token.name == f"identity-token ({path})"


def test_no_secret_is_ever_shown() -> None:
    """No text form of a credential contains its secret."""
    for holder in (
        Secret("hunter2"),
        Password("me", Secret("hunter2")),
        IdentityToken(Secret("hunter2")),
        RegistryToken(Secret("hunter2")),
        [Secret("hunter2")],
        config(auths={"r.example": auth("me:hunter2")}),
    ):
        assert "hunter2" not in f"{holder} {holder!r} {pretty_repr(holder)}"


def test_anonymity_is_one_whatever_is_noted() -> None:
    """All anonymous credentials are equal."""
    assert Anonymous("why") == Anonymous()
    assert len({Anonymous("why"), Anonymous()}) == 1
    assert Anonymous("why") != ME
