"""The file of routes as it changes: what is wrong changes nothing."""

from pathlib import Path

import pytest
import structlog

from imagedrift_notifier.adapters.routes_file import LiveRoutesFile, load
from imagedrift_runtime.settings import SettingsFault

GOOD = '[route.ops]\napprise_file = "/run/secrets/chat"\n'


def test_a_file_that_is_wrong_or_gone_stops_the_start(tmp_path: Path) -> None:
    """Every fault is told, with the file."""
    file = tmp_path / "routes.toml"
    with pytest.raises(SettingsFault, match=r"IMAGEDRIFT_ROUTES: .*cannot be read: No such file"):
        LiveRoutesFile(str(file))
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsFault, match="is not UTF-8"):
        load(str(file))
    file.write_text(GOOD + "zone = 3\nquiet = 4\n")
    with pytest.raises(SettingsFault) as told:
        load(str(file))
    assert [fault.split(": ")[0] for fault in told.value.faults] == [f"{file}:3", f"{file}:4"]


async def test_a_change_holds_once_it_is_right(tmp_path: Path) -> None:
    """A new route holds; a fault, or a file that is gone, leaves what held before."""
    file = tmp_path / "routes.toml"
    file.write_text(GOOD)
    live = LiveRoutesFile(str(file))
    assert [*live().routes] == ["ops"]

    file.write_text(GOOD + '[route.dev]\napprise_file = "/run/secrets/dev"\n')
    await live.renew()
    assert [*live().routes] == ["ops", "dev"]
    for wrong in ("[route.", ""):
        file.write_text(wrong) if wrong else file.unlink()
        await live.renew()
        await live.renew()
        assert [*live().routes] == ["ops", "dev"]
    file.write_text(GOOD)
    await live.renew()
    assert [*live().routes] == ["ops"]


def test_a_file_without_a_route_says_that_nothing_is_sent(tmp_path: Path) -> None:
    """A file as it is shipped starts the notifier, and its log tells why no message comes."""
    file = tmp_path / "routes.toml"
    file.write_text("# [route.ops]\n")

    with structlog.testing.capture_logs() as logs:
        assert LiveRoutesFile(str(file))().routes == {}

    assert [(each["event"], each["effect"]) for each in logs] == [
        ("routes.none_found", "nothing is sent")
    ]
