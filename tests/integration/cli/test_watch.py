"""`imagedrift watch` on a real stream, and with the database of the small fleet."""

import csv
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from imagedrift_cli.changes import COLUMNS
from imagedrift_sandbox.free_port import LOOPBACK, free_port
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.processes import console_script
from support.changed_verdicts import NGINX, REDIS, changed, drop, forget, publish
from support.command_line import piped, watched


@pytest.fixture
def nats_url(nats_server: NatsServer) -> str:
    """A server whose stream of changes is empty."""
    forget(nats_server.url)
    assert piped("", "streams", NATS_URL=nats_server.url).code == 0
    return nats_server.url


def follow(*arguments: str, nats_url: str, dsn: str = "") -> "subprocess.Popen[str]":
    """Start `watch` in a pipe; it follows once its header is there."""
    environment = {"PATH": os.defpath, "NATS_URL": nats_url, "DATABASE_URL": dsn}
    process = subprocess.Popen(
        [console_script("imagedrift"), "watch", *arguments],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout
    assert process.stdout.readline().startswith(("when", "changed_at"))
    return process


def test_changes_are_followed_until_sigterm(nats_url: str) -> None:
    """Earlier changes are left out, each new one is a line at once, and the end is clean."""
    publish(nats_url, changed(REDIS))
    process = follow(nats_url=nats_url)
    publish(nats_url, changed(NGINX))
    assert process.stdout

    line = process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    rest, err = process.communicate(timeout=30)

    assert line.split()[1:] == [
        "docker.io/library/nginx:1.27", "current", "outdated", "2", "4",
    ]  # fmt: skip
    assert line.split()[0].endswith("Z")
    assert (process.returncode, rest, err) == (0, "", "")


@pytest.mark.parametrize("form", ["json", "ndjson", "yaml", "csv", "tsv"])
def test_each_form_is_whole_at_the_end(nats_url: str, form: str) -> None:
    """`--since` begins in the past, and `--limit` ends after so many changes."""
    publish(nats_url, changed(NGINX), changed(REDIS), changed(NGINX))

    ended = piped("", "watch", "--since", "1h", "--limit", "2", "-o", form, NATS_URL=nats_url)

    assert (ended.code, ended.err) == (0, "")
    names = ["docker.io/library/nginx:1.27", "docker.io/library/redis:7"]
    assert [ended.out.count(name) for name in names] == [1, 1]
    if form == "json":
        assert [row["reference"] for row in json.loads(ended.out)] == names


def test_a_terminal_has_lines_that_fit(nats_url: str) -> None:
    """Columns stand where the first line puts them, and none is too wide."""
    long = {**NGINX, "repository": "a" * 90}
    publish(nats_url, changed(NGINX), changed(long, image_id="sha256:" + "01" * 32))
    arguments = ["watch", "--since", "1h", "--limit", "2"]

    shown = watched(arguments, {"NATS_URL": nats_url}, columns=80)

    assert shown.code == 0
    assert [len(line) <= 80 for line in shown.lines] == [True] * 3
    assert len({line.find("outdated") for line in shown.lines[1:]}) == 1


FILTERED: tuple[tuple[str, list[str]], ...] = (
    ("--registry ghcr.io", []),
    ("--registry docker.io", ["nginx 4 2", "redis 4 0"]),
    ("--verdict outdated", ["nginx 4 2"]),
    ("--running", ["nginx 4 2"]),
    ("ngin", ["nginx 4 2"]),
    ("--site ber1", ["nginx 1 1", "redis 1 0"]),
    ("--site ber1 --running", ["nginx 1 1"]),
    ("--label env=test", ["redis 2 0"]),
    ("--place fra1/rack-7 --place ber1", ["nginx 2 2", "redis 2 0"]),
)


@pytest.mark.parametrize(("arguments", "told"), FILTERED, ids=[each for each, _ in FILTERED])
def test_filters_are_those_of_every_list(
    nats_url: str, fleet_dsn: str, arguments: str, told: list[str]
) -> None:
    """Filters of hosts count the hosts that have the image, and leave out what none of them has."""
    publish(nats_url, changed(NGINX), changed(REDIS, to_verdict="current", running_hosts=0))
    whole = ["--since", "1h", "-o", "csv", *arguments.split()]
    process = follow(*whole, nats_url=nats_url, dsn=fleet_dsn)
    assert process.stdout

    lines = [process.stdout.readline() for _ in told]
    process.send_signal(signal.SIGINT)
    rest, err = process.communicate(timeout=30)

    rows = list(csv.DictReader(lines, COLUMNS))
    names = [row["repository"].rpartition("/")[2] for row in rows]
    assert [
        f"{name} {row['hosts']} {row['running_hosts']}"
        for name, row in zip(names, rows, strict=True)
    ] == told
    assert (process.returncode, rest, err) == (0, "", "")


def test_nothing_is_lost_while_nats_is_away(tmp_path: Path) -> None:
    """An outage is said once, and the changes that NATS kept meanwhile are shown."""
    port = free_port()
    with NatsServer(tmp_path, port=port).started() as server:
        url = server.url
        assert piped("", "streams", NATS_URL=url).code == 0
        process = follow(nats_url=url)
        assert process.stdout
        assert process.stderr
    away = process.stderr.readline()
    with NatsServer(tmp_path, port=port).started():
        publish(url, changed(NGINX))
        line = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)

    assert "nothing is lost" in away
    assert "nginx" in line
    assert err == "note: it is there again\n"


def test_a_reader_that_goes_ends_it_without_a_further_change(nats_url: str) -> None:
    """As `watch | head -1` does."""
    process = follow(nats_url=nats_url)
    assert process.stdout
    assert process.stderr

    process.stdout.close()

    assert process.wait(30) == 0
    assert process.stderr.read() == ""


def test_what_is_older_than_the_stream_is_told(nats_url: str) -> None:
    """Where messages are gone, it is said since when there are any."""
    publish(nats_url, changed(NGINX), changed(REDIS))
    drop(nats_url, keep=1)
    ended = piped("", "watch", "--since", "1h", "--limit", "1", NATS_URL=nats_url)

    assert ended.code == 0
    assert ended.err.startswith("note: changes are kept since 20")


def test_no_nats_is_told_at_the_start() -> None:
    """One line that names the variable."""
    ended = piped("", "watch", NATS_URL=f"nats://{LOOPBACK}:{free_port()}")

    assert (ended.code, ended.out) == (69, "")
    assert "NATS_URL" in ended.err
