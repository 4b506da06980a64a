"""`registries.toml` that changes while services run."""

from pathlib import Path

import pytest
import structlog
from prometheus_client import CollectorRegistry

from imagedrift_runtime import metrics
from imagedrift_runtime.registries.watched_file import LiveRegistries, RegistriesFile
from imagedrift_runtime.settings import SettingsFault

CORP = '[registry."corp.example:5000"]\nmax_connections = 2\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that names nothing yet."""
    path = tmp_path / "registries.toml"
    path.write_text('policy = "allow"\n')
    return path


def test_what_changes_holds_at_the_next_look(file: Path) -> None:
    """Names, lanes and the version; a file that stays the same is not read again."""
    live = LiveRegistries(str(file))
    before = live.version
    file.write_text(CORP)

    renewed = [live.renew(), live.renew()]

    assert renewed == [True, False]
    assert live.is_named("corp.example:5000")
    assert live.lanes()[live.lane_of("corp.example:5000")] == 2
    assert live.version != before


def test_two_services_with_one_content_have_one_version(file: Path, tmp_path: Path) -> None:
    """Wherever their files lie."""
    other = tmp_path / "other.toml"
    other.write_bytes(file.read_bytes())

    assert LiveRegistries(str(file)).version == LiveRegistries(str(other)).version


def test_the_version_and_the_faults_are_metrics(file: Path) -> None:
    """A fleet sees that every service has the same file, and which has a wrong one."""
    registry = CollectorRegistry()
    metrics.enable(registry)
    try:
        live = LiveRegistries(str(file))
        first = registry.get_sample_value("imagedrift_registries_version")
        assert first == int(live.version, 16)
        file.write_text(CORP)
        live.renew()
        assert registry.get_sample_value("imagedrift_registries_version") == int(live.version, 16)
        assert registry.get_sample_value("imagedrift_registries_version") != first
        assert registry.get_sample_value("imagedrift_registries_faults") == 0
        file.write_text("policy = 1\n")
        live.renew()
        assert registry.get_sample_value("imagedrift_registries_faults") == 1
    finally:
        metrics.disable()


@pytest.mark.parametrize("wrong", ["policy = 1\n", "policy =", None], ids=["key", "TOML", "gone"])
def test_a_wrong_file_is_told_once_and_the_one_before_it_holds(
    file: Path, wrong: str | None
) -> None:
    """With its faults; the next right one holds again."""
    file.write_text(CORP)
    live = LiveRegistries(str(file))
    version = live.version
    if wrong is None:
        file.unlink()
    else:
        file.write_text(wrong)

    with structlog.testing.capture_logs() as logs:
        renewed = [live.renew(), live.renew()]
    file.write_text('policy = "deny"\n')

    assert renewed == [False, False]
    assert [entry["event"] for entry in logs] == ["registries.kept"]
    assert str(file) in logs[0]["faults"][0]
    assert live.renew()
    assert live.version != version


def test_what_cannot_be_made_of_the_file_does_not_hold(file: Path) -> None:
    """A certificate that cannot be read is found before anything is asked by it."""

    def make(known: object) -> object:
        if broken:
            raise SettingsFault(["registry.corp: ca: cannot be read"])
        return known

    broken = False
    kept = RegistriesFile(str(file), make)
    before, broken = kept.made, True
    file.write_text(CORP)

    assert not kept.renew()
    assert kept.made is before


def test_asked_for_the_same_file_is_read_anyway(file: Path) -> None:
    """SIGHUP: what it names may have changed, such as a certificate."""
    assert LiveRegistries(str(file)).renew(anyway=True)
    assert not LiveRegistries("").renew(anyway=True)
