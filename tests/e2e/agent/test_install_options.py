"""The installer asks for the address of NATS, works without systemd, and uninstalls."""

import shutil
import subprocess
from pathlib import Path

import pytest

from support.installer import UNIT, InstallerHost, make_bundle


@pytest.fixture
def host(tmp_path: Path) -> InstallerHost:
    """An empty host."""
    return InstallerHost(tmp_path)


@pytest.fixture
def options(tmp_path: Path) -> tuple[str, ...]:
    """The options that name the bundle."""
    folder, sums = make_bundle(tmp_path / "bundle", "new")
    return ("--from", str(folder), "--sums", sums)


def test_nothing_is_installed_without_an_address_of_nats(
    host: InstallerHost, options: tuple[str, ...]
) -> None:
    """Without an address of NATS the installer ends before it installs anything."""
    done = host.run(*options)

    assert done.returncode == 1
    assert done.stderr.startswith("install.sh: where is NATS?")
    assert not host.prefix.exists()
    assert not host.etc.exists()


@pytest.mark.parametrize("address", ["nats.example.org", "tls://a:b c@nats", "tls://a:$b@nats"])
def test_an_address_that_no_agent_takes_is_refused(
    host: InstallerHost, options: tuple[str, ...], address: str
) -> None:
    """An address without a scheme, or with characters that a shell interprets, is refused."""
    assert host.run(*options, "--nats", address).returncode == 1
    assert not host.prefix.exists()


def test_the_address_is_asked_for_on_a_terminal(
    host: InstallerHost, options: tuple[str, ...]
) -> None:
    """The address that is typed becomes the setting; the prompt has an example."""
    done = host.run(*options, typed="tls://web:x%24@nats.example.org:4222")

    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("Address of NATS, such as tls://USER:PASSWORD@")
    settings = (host.etc / "agent.env").read_text()
    assert "\nNATS_URL=tls://web:x%24@nats.example.org:4222\n" in settings


def test_an_address_that_is_typed_wrongly_is_refused(
    host: InstallerHost, options: tuple[str, ...]
) -> None:
    """A typed address is checked as an option is, and nothing is installed."""
    assert host.run(*options, typed="nats.example.org").returncode == 1
    assert not host.prefix.exists()


@pytest.mark.parametrize(
    "settings", ["IMAGEDRIFT_SITE=fra1\n", "NATS_URL=\n", "#NATS_URL=tls://n\n"]
)
def test_settings_that_name_no_nats_are_refused(
    host: InstallerHost, options: tuple[str, ...], settings: str
) -> None:
    """The agent would look for NATS on its own host; the file is the operator's, and is kept."""
    host.etc.mkdir()
    (host.etc / "agent.env").write_text(settings)

    done = host.run(*options, "--nats", "tls://nats.example.org:4222")

    assert done.returncode == 1
    assert "agent.env does not say where NATS is: add NATS_URL=" in done.stderr
    assert (host.etc / "agent.env").read_text() == settings
    assert not host.prefix.exists()


def test_the_address_given_becomes_the_agent_s_setting(
    host: InstallerHost, options: tuple[str, ...]
) -> None:
    """The address of the option or of NATS_URL is written to a file that others cannot read."""
    assert host.run(*options, "--nats", "tls://web:x%24@nats.example.org:4222").returncode == 0

    settings = host.etc / "agent.env"
    assert "\nNATS_URL=tls://web:x%24@nats.example.org:4222\n" in settings.read_text()
    assert settings.stat().st_mode & 0o777 == 0o600


def test_without_systemd_the_command_to_run_is_printed(
    host: InstallerHost, options: tuple[str, ...], tmp_path: Path
) -> None:
    """Without systemd the installer writes no unit, starts nothing, and prints the command."""
    absent = {"IMAGEDRIFT_SYSTEMD": str(tmp_path / "absent"), "NATS_URL": "nats://127.0.0.1:4222"}
    done = host.run(*options, **absent)

    assert done.returncode == 0, done.stderr
    assert "no systemd: nothing was started" in done.stdout
    assert f"exec {host.prefix}/current/venv/bin/imagedrift-agent" in done.stdout
    assert not list(host.units.iterdir())
    assert host.works()


def test_uninstall_leaves_settings_and_nothing_else(
    host: InstallerHost, options: tuple[str, ...]
) -> None:
    """`--uninstall` leaves the settings alone, and prints the command that removes them."""
    assert host.run(*options, "--nats", "nats://127.0.0.1:4222").returncode == 0

    done = host.run("--uninstall")

    assert done.returncode == 0, done.stderr
    assert not host.prefix.exists()
    assert not list(host.units.iterdir())
    assert f"rm -r {host.etc}/agent.env" in done.stdout
    assert (host.etc / "agent.env").exists()
    assert host.run("--uninstall").returncode == 1


@pytest.mark.parametrize("is_linked", [False, True])
def test_uninstall_does_not_touch_an_agent_that_still_runs(
    host: InstallerHost, options: tuple[str, ...], tmp_path: Path, *, is_linked: bool
) -> None:
    """`--uninstall` refuses while a process runs from an agent's folder, also through a link."""
    if is_linked:
        (tmp_path / "data").mkdir()
        host.prefix.symlink_to(tmp_path / "data")
    assert host.run(*options, "--nats", "nats://127.0.0.1:4222").returncode == 0
    folder = host.prefix / (host.prefix / "current").readlink()
    shutil.copy(str(shutil.which("cat")), folder / "program")
    running = subprocess.Popen([folder / "program"], stdin=subprocess.PIPE)
    try:
        refused = host.run("--uninstall")
        assert refused.returncode == 1
        assert f"a process runs from {folder}" in refused.stderr
        assert (host.units / UNIT).exists()
        assert host.works()
    finally:
        running.communicate()
    assert host.run("--uninstall").returncode == 0
