"""How a command that runs for a while is told to end: by Ctrl-C, or by SIGTERM in its place."""

import asyncio
import signal


def end_as_by_ctrl_c() -> None:
    """Let SIGTERM act as Ctrl-C does: what was started is stopped, what was written is removed.

    A job in a shell's background is deaf to Ctrl-C, and has to hear SIGTERM all the same.
    """
    by_ctrl_c = signal.getsignal(signal.SIGINT)
    heard = by_ctrl_c if callable(by_ctrl_c) else signal.default_int_handler
    signal.signal(signal.SIGTERM, heard)


def stop_event() -> asyncio.Event:
    """Return an event that each signal sets from now on, in place of interrupting the work.

    So does the end of the terminal, unless the command is to outlive it, as by `nohup`.
    """
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if name is signal.SIGHUP and signal.getsignal(name) is signal.SIG_IGN:
            continue
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    return stop
