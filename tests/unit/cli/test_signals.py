"""How a command that runs for a while is told to end."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from imagedrift_cli import signals

INTERRUPTED = """
import os, signal
from imagedrift_cli.signals import end_as_by_ctrl_c
end_as_by_ctrl_c()
try:
    os.kill(os.getpid(), signal.SIGTERM)
except KeyboardInterrupt:
    print("as by Ctrl-C")
"""


ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.mark.parametrize("number", ENDS)
async def test_each_signal_sets_the_event(number: signal.Signals) -> None:
    """A signal interrupts nothing, where the suite does not run by `nohup`."""
    before = signal.signal(number, signal.SIG_DFL)
    stop = signals.stop_event()
    try:
        os.kill(os.getpid(), number)
        async with asyncio.timeout(10):
            await stop.wait()
    finally:
        for each in ENDS:
            asyncio.get_running_loop().remove_signal_handler(each)
        signal.signal(number, before)
    assert stop.is_set()


async def test_a_command_by_nohup_outlives_its_terminal() -> None:
    """The end of the terminal, which is ignored at the start, stays ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stop = signals.stop_event()
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert not stop.is_set()
    finally:
        for each in ENDS:
            asyncio.get_running_loop().remove_signal_handler(each)
        signal.signal(signal.SIGHUP, before)


def test_sigterm_does_what_ctrl_c_does() -> None:
    """SIGTERM ends a command also in a shell's background, where Ctrl-C is not heard."""
    shell = ["sh", "-c", 'trap "" INT; exec "$0" -c "$1"', sys.executable, INTERRUPTED]

    shown = subprocess.run(shell, capture_output=True, text=True, check=True)

    assert shown.stdout == "as by Ctrl-C\n"
