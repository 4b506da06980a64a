"""The installer with a fault at each of its steps: what runs on the host stays as it was."""

import shutil
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[3] / "deploy"
PROGRAMS = (
    *("mktemp", "rm", "cp", "sha256sum", "cut", "mkdir", "flock", "readlink", "chmod"),
    *("cat", "ln", "mv", "grep"),
)
FAULTY = """#!/bin/sh
# Counts its calls with all others'; the one that shall go wrong does.
count=$(($({cat} "$CALLS") + 1))
echo $count > "$CALLS"
if [ "$count" = "$FAULT_AT" ]; then
  [ "$FAULT" != killed ] || kill -KILL $PPID
  exit 1
fi
{real} "$@"
"""
PYTHON = """#!/bin/sh
# Stands in for Python: makes a venv of two programs.
case $* in
  *sys.version*) exit 0 ;;
  '-m venv'*) {mkdir} -p "$3/bin" && {cp} "$FAKES/pip" "$3/bin/python" &&
    {cp} "$FAKES/agent" "$3/bin/imagedrift-agent" ;;
esac
"""
UNIT = "imagedrift-agent.service"


class Host:
    """A host of folders, whose programs can be told which call of them fails."""

    def __init__(self, home: Path) -> None:
        self.prefix, self.etc, self.units = home / "opt", home / "etc", home / "units"
        self._fakes, self._path, self._calls = home / "fakes", home / "path", home / "calls"
        for folder in (self.units, self._fakes, self._path):
            folder.mkdir()
        real = {name: str(shutil.which(name)) for name in (*PROGRAMS, "true", "sh")}
        (self._path / "sh").symlink_to(real["sh"])
        for name in PROGRAMS:
            self._write(self._path / name, FAULTY.format(cat=real["cat"], real=real[name]))
        nothing = FAULTY.format(cat=real["cat"], real=real["true"])
        self._write(self._path / "systemctl", nothing)
        for name in ("pip", "agent"):
            self._write(self._fakes / name, nothing)
        python = self._fakes / "python"
        self._write(python, PYTHON.format(mkdir=real["mkdir"], cp=real["cp"]))
        self._write(self._path / "python3", FAULTY.format(cat=real["cat"], real=python))

    def install(self, bundle: tuple[Path, str], fault: str = "", at: int = 0) -> bool:
        """Run the installer; whether it says that it is done."""
        self._calls.write_text("0")
        done = subprocess.run(
            ["sh", str(DEPLOY / "install.sh"), "--from", str(bundle[0]), "--sums", bundle[1]],
            env={
                "PATH": str(self._path),
                "IMAGEDRIFT_PREFIX": str(self.prefix),
                "IMAGEDRIFT_ETC": str(self.etc),
                "IMAGEDRIFT_UNITS": str(self.units),
                "CALLS": str(self._calls),
                "FAKES": str(self._fakes),
                "FAULT": fault,
                "FAULT_AT": str(at),
                "TMPDIR": str(self._fakes.parent),
            },
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    @property
    def calls(self) -> int:
        """How many calls the last run made."""
        return int(self._calls.read_text())

    @property
    def folders(self) -> set[str]:
        """Every agent that is there."""
        return {path.name for path in self.prefix.glob("*") if path.is_dir()} - {"current"}

    def works(self) -> bool:
        """Tell whether the service would start."""
        self._calls.write_text("0")
        agent = self.prefix / "current/venv/bin/imagedrift-agent"
        environment = {"CALLS": str(self._calls), "FAULT_AT": "0", "FAULT": ""}
        return subprocess.run([agent], env=environment, check=False).returncode == 0

    def state(self) -> dict[str, str]:
        """Everything that the running agent is made of."""
        link = str((self.prefix / "current").readlink())
        files = [path for path in (self.prefix / link).rglob("*") if path.is_file()]
        files += [self.etc / "agent.env", *self.units.iterdir()]
        return {"current": link} | {str(path): path.read_text() for path in files}

    @staticmethod
    def _write(path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o755)


def bundle(folder: Path, unit: str) -> tuple[Path, str]:
    """A bundle of what the installer takes, and its checksum."""
    folder.mkdir()
    for name in ("agent.whl", "agent.md", UNIT):
        (folder / name).write_text(unit)
    names = sorted(path.name for path in folder.iterdir())
    listed = subprocess.run(
        ["sha256sum", "--", *names], cwd=folder, capture_output=True, text=True, check=True
    )
    (folder / "SHA256SUMS").write_text(listed.stdout)
    said = subprocess.run(
        ["sha256sum", folder / "SHA256SUMS"], capture_output=True, text=True, check=True
    )
    return folder, said.stdout.split()[0]


@pytest.mark.parametrize("again", ["the same bundle", "a newer one"])
def test_a_step_that_fails_leaves_the_running_agent_as_it_was(tmp_path: Path, again: str) -> None:
    """Whichever step: all of it is done, or nothing of it is left."""
    host, first = Host(tmp_path), bundle(tmp_path / "first", "old")
    assert host.install(first)
    second = first if again == "the same bundle" else bundle(tmp_path / "second", "new")
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
    """It can undo nothing then; the next run takes away what is left over."""
    host, first = Host(tmp_path), bundle(tmp_path / "first", "old")
    second = bundle(tmp_path / "second", "new")
    assert host.install(first)
    host.install(second)
    for at in range(1, host.calls):
        host.install(second, "killed", at)
        assert host.works(), f"call {at}"

    assert host.install(first)
    assert len(host.folders) == 2


def test_a_first_install_that_fails_leaves_no_agent_behind(tmp_path: Path) -> None:
    """The next one is a first one, too."""
    host, only = Host(tmp_path), bundle(tmp_path / "first", "old")
    for at in range(1, 100):
        if host.install(only, "fails", at):
            break
        assert not (host.prefix / "current").exists()
        assert not host.folders
        assert not list(host.units.iterdir())
    assert host.works()


def test_what_a_process_still_runs_from_is_not_removed(tmp_path: Path) -> None:
    """A service that was not restarted runs from a folder that is two installs old."""
    host, made = Host(tmp_path), bundle(tmp_path / "first", "old")
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
