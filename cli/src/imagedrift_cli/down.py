"""`imagedrift down`: end what `imagedrift up` started."""

import os
import signal
import time
from pathlib import Path
from typing import Final

import click

from imagedrift_cli import up_home
from imagedrift_cli.failures import Unusable
from imagedrift_cli.up import UpSettings
from imagedrift_runtime import settings

WITHIN_S: Final = 60.0
POLL_S: Final = 0.1


@click.command()
@click.option("--home", type=up_home.HomePath(), help="That of `up`.")
def down(home: Path | None) -> None:
    """End the `imagedrift up` that works in a folder, and wait for its end.

    What it learnt is kept: remove the folder to forget it.
    """
    values = settings.load(UpSettings)
    folder = home or up_home.default_home(values.home, values.data_home)
    pid = up_home.running(folder)
    if pid is None:
        click.echo(f"not running in {folder}")
        return
    os.kill(pid, signal.SIGTERM)
    os.kill(pid, signal.SIGCONT)  # one that a terminal has stopped by Ctrl-Z would not hear
    until = time.monotonic() + WITHIN_S
    while up_home.running(folder) is not None:
        if time.monotonic() > until:
            raise Unusable(f"pid {pid} did not end within {WITHIN_S:g} s")
        time.sleep(POLL_S)
    click.echo(f"stopped: pid {pid}; what it learnt is in {folder}")
