"""The systemd unit is one that systemd takes, and gives the agent no more than it needs."""

import re
import subprocess
from pathlib import Path

import pytest

from support.programs import require_program

UNIT = Path(__file__).parents[3] / "deploy/systemd/imagedrift-agent.service"


@pytest.fixture
def systemd_analyze() -> Path:
    """The faults that systemd finds in a unit without running it."""
    return require_program("systemd-analyze", "apt-get install systemd")


def test_the_unit_is_taken_without_a_complaint(systemd_analyze: Path) -> None:
    """Save that the command is not installed here."""
    done = subprocess.run(
        [systemd_analyze, "verify", UNIT], capture_output=True, text=True, check=False
    )

    complaints = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert [line for line in complaints if "is not executable" not in line] == []


def test_the_unit_leaves_little_exposed(systemd_analyze: Path) -> None:
    """By systemd's own measure, from 0 (nothing) to 10 (everything): below 2."""
    done = subprocess.run(
        [systemd_analyze, "security", "--offline=true", "--no-pager", UNIT],
        capture_output=True,
        text=True,
        check=False,
    )

    level = re.search(r"Overall exposure level.*: ([0-9.]+)", done.stdout)
    assert level is not None, done.stderr
    assert float(level[1]) < 2


def test_wrong_settings_do_not_make_a_restart_loop() -> None:
    """Exit code 2 says that only the operator can help."""
    text = UNIT.read_text()

    assert "Restart=always" in text
    assert "RestartPreventExitStatus=2" in text
