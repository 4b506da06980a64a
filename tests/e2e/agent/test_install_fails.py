"""A fault at any step of the installer leaves the running agent as it was."""

import shutil
import subprocess
from pathlib import Path

import pytest

from support.installer import InstallerHost, make_bundle


@pytest.mark.parametrize("again", ["the same bundle", "a newer one"])
def test_a_step_that_fails_leaves_the_running_agent_as_it_was(tmp_path: Path, again: str) -> None:
    """Every step of an installation is done as a whole, or leaves nothing behind."""
    host, first = InstallerHost(tmp_path), make_bundle(tmp_path / "first", "old")
    assert host.install(first)
    second = first if again == "the same bundle" else make_bundle(tmp_path / "second", "new")
    before, failed = host.state(), 0
    for at in range(1, 100):
        if host.install(second, "fails", at):
            break
        failed += 1
        assert host.state() == before, f"call {at}"
        assert host.folders == {before["current"]}, f"call {at}"
        assert host.works()
    assert failed > 20
    assert host.state()["current"] != before["current"]


def test_an_installer_that_is_killed_leaves_an_agent_that_works(tmp_path: Path) -> None:
    """A killed installer leaves a working agent, and the next run removes its remains."""
    host, first = InstallerHost(tmp_path), make_bundle(tmp_path / "first", "old")
    second = make_bundle(tmp_path / "second", "new")
    assert host.install(first)
    host.install(second)
    for at in range(1, host.calls):
        host.install(second, "killed", at)
        assert host.works(), f"call {at}"

    assert host.install(first)
    assert len(host.folders) == 2


def test_a_first_install_that_fails_leaves_no_agent_behind(tmp_path: Path) -> None:
    """A failed first installation leaves no agent, so that the next one is a first one again."""
    host, only = InstallerHost(tmp_path), make_bundle(tmp_path / "first", "old")
    for at in range(1, 100):
        if host.install(only, "fails", at):
            break
        assert not (host.prefix / "current").exists()
        assert not host.folders
        assert not list(host.units.iterdir())
    assert host.works()


def test_what_a_process_still_runs_from_is_not_removed(tmp_path: Path) -> None:
    """A folder from which a process still runs is not removed, even two installations later."""
    host, made = InstallerHost(tmp_path), make_bundle(tmp_path / "first", "old")
    assert host.install(made)
    oldest = host.prefix / (host.prefix / "current").readlink()
    shutil.copy(str(shutil.which("cat")), oldest / "program")
    running = subprocess.Popen([oldest / "program"], stdin=subprocess.PIPE)
    try:
        assert host.install(made)
        assert host.install(made)
        assert oldest.is_dir()
    finally:
        running.communicate()
    assert host.install(made)
    assert not oldest.exists()
    assert len(host.folders) == 2
