"""Ending what `imagedrift up` started."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from imagedrift_cli import down, up_home
from imagedrift_cli.__main__ import main

HOLDER = """
import sys, signal
from pathlib import Path
from imagedrift_cli import up_home
home = Path(sys.argv[1])
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
(home / up_home.LOCK).touch()
with up_home.locked(home):
    print("locked", flush=True)
    signal.pause()
"""


def test_a_folder_in_which_nothing_works_is_said_so(tmp_path: Path) -> None:
    """That is no fault."""
    result = CliRunner().invoke(main, ["down", "--home", str(tmp_path)])

    assert result.exit_code == 0
    assert result.output == f"not running in {tmp_path}\n"


@pytest.mark.parametrize("is_stopped", [False, True], ids=["running", "after Ctrl-Z"])
def test_the_process_of_a_folder_is_ended_and_waited_for(
    tmp_path: Path, is_stopped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number is told, and that what it learnt is kept."""
    monkeypatch.setattr(down, "WITHIN_S", 10.0)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        assert up_home.running(tmp_path) == holder.pid
        if is_stopped:
            holder.send_signal(signal.SIGSTOP)

        result = CliRunner().invoke(main, ["down", "--home", str(tmp_path)])

        holder.send_signal(signal.SIGCONT)
        assert holder.wait(10) in (0, -signal.SIGTERM)
    assert result.exit_code == 0
    assert f"stopped: pid {holder.pid}" in result.output
    assert up_home.running(tmp_path) is None
