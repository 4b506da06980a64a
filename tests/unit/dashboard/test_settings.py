"""The settings of the dashboard: the rules of access that they make."""

import pytest

from imagedrift_dashboard.core.access import AccessRules, networks
from imagedrift_dashboard.settings import DashboardSettings
from imagedrift_runtime import settings
from imagedrift_runtime.settings import SettingsFault


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
