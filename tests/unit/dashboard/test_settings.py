"""The settings of the dashboard: the rules of access that they make."""

from pathlib import Path

import pytest

from imagedrift_dashboard.core.access import AccessRules, networks
from imagedrift_dashboard.core.provider import ClientRegistration
from imagedrift_dashboard.settings import DashboardSettings
from imagedrift_runtime import settings
from imagedrift_runtime.settings import SettingsFault

DATABASE = {"DATABASE_URL": "postgresql://a@b/c"}
OIDC = {
    "IMAGEDRIFT_DASHBOARD_OIDC_ISSUER": "https://id.example.org/realms/x",
    "IMAGEDRIFT_DASHBOARD_OIDC_CLIENT_ID": "drift",
    "IMAGEDRIFT_DASHBOARD_URL": "https://drift.example.org/",
    "IMAGEDRIFT_DASHBOARD_ROLES": "sre=reader",
}


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"IMAGEDRIFT_DASHBOARD_ADDRESS": "0.0.0.0"}, "IMAGEDRIFT_DASHBOARD_ADDRESS: 0.0.0.0"),
        ({"IMAGEDRIFT_DASHBOARD_ADDRESS": "example.org"}, "IMAGEDRIFT_DASHBOARD_ADDRESS: example"),
        ({"IMAGEDRIFT_DASHBOARD_ROLES": "sre=reader"}, "IMAGEDRIFT_DASHBOARD_ROLES: groups"),
        ({"IMAGEDRIFT_DASHBOARD_ROLES": "sre=a b"}, "IMAGEDRIFT_DASHBOARD_ROLES"),
        ({"IMAGEDRIFT_DASHBOARD_PROXIES": "10.0.0.1/8"}, "IMAGEDRIFT_DASHBOARD_PROXIES"),
        ({"IMAGEDRIFT_DASHBOARD_ROLE": "x; DROP"}, "IMAGEDRIFT_DASHBOARD_ROLE"),
    ],
)
def test_settings_that_let_too_many_in_are_refused(environ: dict[str, str], told: str) -> None:
    """A setting that would open the pages by accident is refused with its name."""
    with pytest.raises(SettingsFault) as refused:
        _ = settings.load(
            DashboardSettings, {"DATABASE_URL": "postgresql://a@b/c"} | environ
        ).access
    assert told in str(refused.value)


def test_settings_make_the_rules() -> None:
    """Proxies, headers and roles of the settings are those of the rules."""
    environ = {
        "DATABASE_URL": "postgresql://a@b/c",
        "IMAGEDRIFT_DASHBOARD_ADDRESS": "0.0.0.0",
        "IMAGEDRIFT_DASHBOARD_PROXIES": "10.0.0.5,fd00::/8",
        "IMAGEDRIFT_DASHBOARD_USER_HEADER": "Remote-User",
        "IMAGEDRIFT_DASHBOARD_ROLES": "sre=reader",
    }
    rules = settings.load(DashboardSettings, environ).access

    assert rules == AccessRules(
        proxies=networks(["10.0.0.5", "fd00::/8"]),
        user_header="remote-user",
        roles={"sre": "reader"},
    )


def test_a_provider_signs_users_in_wherever_the_pages_are() -> None:
    """With a provider an address beyond this machine is served, and the client is the settings'."""
    environ = DATABASE | OIDC | {"IMAGEDRIFT_DASHBOARD_ADDRESS": "0.0.0.0"}
    values = settings.load(DashboardSettings, environ)

    assert values.access.roles == {"sre": "reader"}
    assert values.oidc == ClientRegistration(
        issuer="https://id.example.org/realms/x", id="drift", url="https://drift.example.org"
    )
    assert settings.load(DashboardSettings, DATABASE).oidc is None


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("ROLES", "", "ROLES: required with a provider"),
        ("URL", "", "URL: required with a provider"),
        ("URL", "http://drift.example.org", "URL: is not as https"),
        ("OIDC_CLIENT_ID", "", "CLIENT_ID: required with a provider"),
        ("OIDC_ISSUER", "", "OIDC_ISSUER: required"),
        ("OIDC_ISSUER", "http://id.example.org", "OIDC_ISSUER: is not as https"),
        ("OIDC_SCOPES", "profile", "openid has to be among them"),
        ("PROXIES", "10.0.0.1", "OIDC_ISSUER: either the proxy"),
        ("SESSION_KEY", "short", "SESSION_KEY: not valid, and secret"),
        ("SESSION_HOURS", "0", "SESSION_HOURS"),
    ],
)
def test_a_sign_in_that_would_let_in_too_many_is_refused(name: str, value: str, told: str) -> None:
    """No groups, no TLS, a guessable key, two ways at once: each is refused with its name."""
    environ = DATABASE | OIDC | {f"IMAGEDRIFT_DASHBOARD_{name}": value}
    with pytest.raises(SettingsFault) as refused:
        _ = settings.load(DashboardSettings, environ).access
    assert told in str(refused.value)


def test_secrets_come_from_files(tmp_path: Path) -> None:
    """The client's secret, the key, and the login of a role stand in files."""
    (tmp_path / "secret").write_text("s3cret\n")
    (tmp_path / "key").write_text("k" * 40)
    (tmp_path / "login").write_text("postgresql://reader:x@db/c\n")
    environ = {
        "IMAGEDRIFT_DASHBOARD_OIDC_CLIENT_SECRET_FILE": str(tmp_path / "secret"),
        "IMAGEDRIFT_DASHBOARD_SESSION_KEY_FILE": str(tmp_path / "key"),
        "IMAGEDRIFT_DASHBOARD_LOGINS": f"reader={tmp_path / 'login'}",
    }
    values = settings.load(DashboardSettings, DATABASE | OIDC | environ)

    assert values.oidc is not None
    assert values.oidc.secret == "s3cret"
    assert values.session_key == "k" * 40
    assert values.login_urls == {"reader": "postgresql://reader:x@db/c"}


@pytest.mark.parametrize("content", [None, "mysql://a:secret@b/c", b"\xff"])
def test_a_login_that_cannot_be_read_is_told_without_its_password(
    tmp_path: Path, content: str | bytes | None
) -> None:
    """A file that is not there, or holds no URL, is told by its path alone."""
    path = tmp_path / "login"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    environ = DATABASE | {"IMAGEDRIFT_DASHBOARD_LOGINS": f"reader={path}"}
    with pytest.raises(SettingsFault) as refused:
        _ = settings.load(DashboardSettings, environ).login_urls
    assert "IMAGEDRIFT_DASHBOARD_LOGINS: reader" in str(refused.value)
    assert "secret" not in str(refused.value)
