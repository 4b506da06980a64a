"""Standard streams that are full or closed change no result, and are told where they matter."""

import os
import subprocess
from pathlib import Path

import pytest

from imagedrift_sandbox.processes import console_script
from support.command_line import in_shell


def test_a_full_disk_is_error_line(fleet_dsn: str) -> None:
    """A result that cannot be written is an error."""
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [console_script("imagedrift"), "outdated"],
            env={"DATABASE_URL": fleet_dsn, "PATH": os.defpath},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 69
    assert "No space left on device" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_closed_output_is_error_line(fleet_dsn: str) -> None:
    """Nothing is asked and nothing done where nobody could read of it."""
    ended = in_shell("exec imagedrift outdated >&-", fleet_dsn)

    assert (ended.returncode, ended.stderr) == (69, "Error: standard output is closed\n")


@pytest.mark.parametrize(
    ("command", "code", "lines"),
    [("outdated", 0, 5), ("outdated --exit-code", 1, 5), ("host zzz", 4, 0), ("outdatd", 64, 0)],
)
@pytest.mark.parametrize("lost", ["2>/dev/full", "2>&1 >&3 3>&- | true"])
def test_a_remark_that_cannot_be_written_changes_nothing(
    fleet_dsn: str, command: str, code: int, lines: int, lost: str
) -> None:
    """Neither a full standard error nor one that nobody reads, and never to 1 by itself."""
    told = f"{{ imagedrift {command}; echo $? >&4; }}"
    ended = in_shell(f"{{ {told} {lost}; }} 4>&2 3>&1", fleet_dsn)

    assert ended.stderr == f"{code}\n"
    assert len(ended.stdout.splitlines()) == lines


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-"])
def test_other_closed_streams_do_no_harm(fleet_dsn: str, closed: str) -> None:
    """No file or socket takes their number."""
    ended = in_shell(f"exec imagedrift outdated {closed}", fleet_dsn)

    assert (ended.returncode, ended.stderr) == (0, "" if "2>" in closed else ended.stderr)
    assert len(ended.stdout.splitlines()) == 5
