"""The folder of `imagedrift up`: one process at a time, on the ports of before."""

import os
import socket
from pathlib import Path

import click
import pytest

from imagedrift_cli import up_home
from imagedrift_cli.failures import BadUsage, Unusable
from imagedrift_cli.up_home import HomePath, Ports
from imagedrift_sandbox.free_port import LOOPBACK, free_ports


def test_one_process_at_a_time_works_in_a_folder(tmp_path: Path) -> None:
    """The second one learns which process it is, and where that listens."""
    (tmp_path / up_home.LOCK).touch()
    up_home.remember(tmp_path, Ports(5432, 4222))
    with up_home.locked(tmp_path):
        assert up_home.running(tmp_path) == os.getpid()
        told = f"pid {os.getpid()}, PostgreSQL {LOOPBACK}:5432"
        with pytest.raises(Unusable, match=told), up_home.locked(tmp_path):
            pass
    assert up_home.running(tmp_path) is None


def test_a_process_that_has_no_ports_yet_is_told_as_starting(tmp_path: Path) -> None:
    """Of two that start in the same instant the second one is told no address that is none."""
    (tmp_path / up_home.LOCK).touch()
    told = f"pid {os.getpid()}, which starts for the first time"
    with up_home.locked(tmp_path), pytest.raises(Unusable, match=told), up_home.locked(tmp_path):
        pass


def test_a_home_is_taken_from_where_the_command_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers start elsewhere, and would look for a relative folder there."""
    monkeypatch.chdir(tmp_path)
    assert HomePath().convert("up", None, None) == tmp_path / "up"


def test_an_empty_home_is_refused() -> None:
    """An empty home is a variable of a shell that is not set, and not the folder one stands in."""
    with pytest.raises(click.BadParameter, match="--home is empty"):
        HomePath().convert("", None, None)


def test_in_a_folder_that_is_not_there_nothing_runs(tmp_path: Path) -> None:
    """Nothing runs in a folder that is missing, or whose lock names no process."""
    assert up_home.running(tmp_path / "none") is None
    (tmp_path / up_home.LOCK).write_text("no number")
    assert up_home.running(tmp_path) is None


def test_ports_stay_the_same_between_runs(tmp_path: Path) -> None:
    """One that is taken now is given up; one that is asked for goes before it."""
    first, second, third = free_ports(3)
    assert up_home.ports(tmp_path, Ports()) == Ports()
    up_home.remember(tmp_path, Ports(first, second))

    assert up_home.ports(tmp_path, Ports()) == Ports(first, second)
    assert up_home.ports(tmp_path, Ports(third)) == Ports(third, second)
    with socket.socket() as taken:
        taken.bind((LOOPBACK, second))
        taken.listen()
        assert up_home.ports(tmp_path, Ports()) == Ports(first, 0)
        with pytest.raises(Unusable, match=f"--nats-port: {second} of {LOOPBACK} is taken"):
            up_home.ports(tmp_path, Ports(nats=second))


def test_two_servers_have_two_ports(tmp_path: Path) -> None:
    """One port is not given twice, and not taken from the note where it is given to another."""
    first, second = free_ports(2)
    up_home.remember(tmp_path, Ports(first, second))

    assert up_home.ports(tmp_path, Ports(postgres=second)) == Ports(second, 0)
    with pytest.raises(BadUsage, match=f"--port and --nats-port cannot both be {first}"):
        up_home.ports(tmp_path, Ports(first, first))


def test_a_spoilt_note_of_ports_is_as_good_as_none(tmp_path: Path) -> None:
    """Free ports are chosen."""
    (tmp_path / up_home.PORTS).write_text("{")

    assert up_home.ports(tmp_path, Ports()) == Ports()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """With the option that names another one."""
    (tmp_path / "file").write_text("")

    with pytest.raises(Unusable, match=r"--home: .* choose another folder"):
        up_home.prepare(tmp_path / "file" / "home")
