"""A host of folders and fake programs that the installer of the agent runs on."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

DEPLOY = Path(__file__).parents[2] / "deploy"
PROGRAMS = (
    *("mktemp", "rm", "cp", "sha256sum", "cut", "mkdir", "flock", "readlink", "chmod"),
    *("cat", "ln", "mv", "grep", "rmdir"),
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


class InstallerHost:
    """A host of folders, whose programs can be told which call of them fails."""

    def __init__(self, home: Path) -> None:
        self.prefix, self.etc, self.units = home / "opt", home / "etc", home / "units"
        self._fakes, self._path, self._calls = home / "fakes", home / "path", home / "calls"
        for folder in (self.units, self._fakes, self._path):
            folder.mkdir()
        self._calls.write_text("0")
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
        """Run the installer and return whether it says that it is done."""
        self._calls.write_text("0")
        options = ("--from", str(bundle[0]), "--sums", bundle[1])
        fault_here = {"FAULT": fault, "FAULT_AT": str(at), "NATS_URL": "nats://127.0.0.1:4222"}
        return self.run(*options, **fault_here).returncode == 0

    def run(
        self, *options: str, typed: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the installer with these options; on a terminal where something is typed."""
        if not typed:
            return self._run(options, environment, subprocess.DEVNULL)
        keyboard, terminal = os.openpty()
        try:
            os.write(keyboard, f"{typed}\n".encode())
            return self._run(options, environment, terminal)
        finally:
            os.close(keyboard)
            os.close(terminal)

    def _run(
        self, options: Sequence[str], environment: Mapping[str, str], terminal: int
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", str(DEPLOY / "install.sh"), *options],
            env={
                "PATH": str(self._path),
                "IMAGEDRIFT_PREFIX": str(self.prefix),
                "IMAGEDRIFT_ETC": str(self.etc),
                "IMAGEDRIFT_UNITS": str(self.units),
                "IMAGEDRIFT_SYSTEMD": str(self.units),
                "CALLS": str(self._calls),
                "FAKES": str(self._fakes),
                "TMPDIR": str(self._fakes.parent),
                "FAULT": "",
                "FAULT_AT": "0",
            }
            | dict(environment),
            stdin=terminal,
            capture_output=True,
            text=True,
            check=False,
        )

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


def make_bundle(folder: Path, unit: str) -> tuple[Path, str]:
    """A bundle of what the installer takes, and its checksum."""
    folder.mkdir()
    for name in ("agent.whl", "agent.md", UNIT):
        (folder / name).write_text(unit)
    names = sorted(path.name for path in folder.iterdir())
    listed = subprocess.run(
        ["sha256sum", "--", *names], cwd=folder, capture_output=True, text=True, check=True
    )
    (folder / "SHA256SUMS").write_text(listed.stdout)
    result = subprocess.run(
        ["sha256sum", folder / "SHA256SUMS"], capture_output=True, text=True, check=True
    )
    return folder, result.stdout.split()[0]
