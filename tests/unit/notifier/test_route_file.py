"""The file of routes: what is read, and that each fault names its line and key and no value."""

from datetime import time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_notifier.core.route import HostFilter
from imagedrift_notifier.core.route_file import MOST_ROUTES, parse
from imagedrift_notifier.core.schedule import QuietSpan, RouteSchedule

WHOLE = """
page = "https://drift.example.org/"
[route.ops]
apprise_file = "/run/secrets/chat"
gather = "2m"
quiet = ["22:00-07:00"]
zone = "Europe/Berlin"
site = ["fra1"]
place = ["dc1/rack-2/"]
label = { env = "prod" }
registry = ["docker.io", "index.docker.io"]
verdict = ["outdated", "missing"]
versions = false
errors = true
backlog = true
[route.weekly]
webhook_file = "/run/secrets/hook"
secret_file = "/run/secrets/key"
digest = "0 8 * * MON"
"""


def test_every_key_is_read() -> None:
    """A file with every key becomes routes."""
    read, faults = parse(WHOLE)

    assert faults == []
    assert read.page == "https://drift.example.org"
    ops, weekly = read.routes["ops"], read.routes["weekly"]
    assert (ops.channel, ops.address_file, ops.backlog) == ("apprise", "/run/secrets/chat", True)
    assert ops.schedule == RouteSchedule(
        gather=timedelta(minutes=2),
        quiet=(QuietSpan(time(22), time(7)),),
        zone="Europe/Berlin",
    )
    assert ops.hosts == HostFilter(sites=("fra1",), places=("dc1/rack-2",), labels={"env": "prod"})
    assert ops.registries == ("docker.io",)
    assert ops.kinds == ("outdated", "missing", "error")
    assert (weekly.channel, weekly.secret_file) == ("webhook", "/run/secrets/key")
    assert (weekly.schedule.digest, weekly.kinds) == ("0 8 * * MON", ("outdated", "version"))


def test_a_window_of_no_time_is_one() -> None:
    """Without a window every image is told at once."""
    read, faults = parse('[route.a]\napprise_file = "/c"\ngather = "0s"\n')

    assert faults == []
    assert read.routes["a"].schedule.gather == timedelta()


def test_a_file_without_routes_is_one() -> None:
    """An empty file has no routes and no faults."""
    assert parse("") == (parse("")[0], [])
    assert parse("")[0].routes == {}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('url = "https://hooks.example.org/s3cr3t"', "route.a.url: a secret has no place here"),
        ('colour = "red"', "route.a.colour: unknown key; there are apprise_file"),
        ("gather = 30", 'route.a.gather: write a span up to 1h, as "30s"'),
        ('gather = "2h"', "route.a.gather: write a span up to 1h"),
        ('quiet = ["10pm"]', "route.a.quiet: write spans of the day"),
        ('quiet = ["00:00-12:00", "12:00-00:00"]', "route.a.quiet: these leave no time"),
        ('zone = "Mars/Base"', "route.a.zone: write a time zone"),
        ('zone = "../../etc/passwd"', "route.a.zone: write a time zone"),
        ('digest = "every day"', "route.a.digest: write a cron expression, as"),
        ('digest = "0 0 30 2 *"', "route.a.digest: write a cron expression, as"),
        ('digest = ""', "route.a.digest: write a cron expression, as"),
        ('site = ["FRA 1"]', "route.a.site: write sites, as"),
        ('site = "fra1"', 'route.a.site: write sites, as ["fra1"]'),
        ("site = []", "route.a.site: write sites, as"),
        ("label = {}", "route.a.label: write labels, as"),
        ("label = [1]", "route.a.label: write labels, as"),
        ('errors = "true"', "route.a.errors: write true or false"),
        ("[[route.a.quiet]]", "route.a.quiet: write spans of the day, as"),
        ('place = ["/"]', "route.a.place: write places, as"),
        ('registry = ["https://docker.io"]', "route.a.registry: write hosts of registries"),
        ('verdict = ["currant"]', "route.a.verdict: write a list of "),
        ("label = { env = 3 }", "route.a.label: write labels, as"),
        ("verdict = []\nversions = false", "route.a.verdict: this route tells nothing"),
        ('token = "s3cr3t"', "route.a.token: a secret has no place here: name a file"),
        ('secret_file = "/k"', "route.a.secret_file: only a webhook is signed"),
        ('webhook_file = "/w"', "route.a: a route has apprise_file or webhook_file"),
    ],
)
def test_a_fault_names_its_line_and_key_and_no_value(line: str, told: str) -> None:
    """Every fault has the file, the line, the key, and what to write."""
    text = f'page = ""\n\n[route.a]\napprise_file = "/run/secrets/chat"\n{line}\n'

    [fault] = parse(text, "/etc/routes.toml")[1]

    number = 3 if told.startswith("route.a: ") else 5
    assert fault.startswith(f"/etc/routes.toml:{number}: {told}")
    for value in ("s3cr3t", "currant", "10pm", "Mars", "passwd", "red"):
        assert value not in fault


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[route.a", "f: no TOML: "),
        ("pages = 1", "f:1: pages: unknown key; there are page and"),
        ('page = "drift.example.org"', "f:1: page: write the address of the pages"),
        ('page = "https://u:p@drift.example.org"', "f:1: page: write the address"),
        ("route = 3", "f:1: route: write one table per route"),
        ('[route."A B"]\napprise_file = "/c"', "f:1: route.A B: a name has"),
        ('page = ""\n[routes.a]', "f:2: routes: unknown key; there are page and"),
        ('page = ""\n[[route]]', "f:2: route: write one table per route"),
        ('page = ""\nroute.a.zone = "s3cr3t"\nroute.a.apprise_file = "/c"', "f:2: route.a.zone: "),
        ('[route.a]\napprise_file = "slack://s3cr3t/b"', "f:2: route.a.apprise_file: a secret has"),
        (
            '[route.a]\nwebhook_file = "/w"\nsecret_file = "whsec_s3cr3t"',
            "f:3: route.a.secret_file: a secret has",
        ),
        ("[route.a]", "f:1: route.a: a route has apprise_file or webhook_file"),
        ('[route.a]\nwebhook_file = "/w"', "f:2: route.a.webhook_file: a webhook is signed"),
    ],
)
def test_a_fault_of_the_whole_is_told(text: str, told: str) -> None:
    """A fault outside of a route's keys is told, too."""
    [fault] = parse(text, "f")[1]

    assert fault.startswith(told)
    assert "s3cr3t" not in fault


def test_all_faults_are_told_at_once() -> None:
    """Two wrong keys are two faults, and there is no route."""
    read, faults = parse('[route.a]\napprise_file = "/c"\nzone = 3\n[route.b]\nzone = "X"\n')

    assert [each.split(": ")[0] for each in faults] == [
        "routes.toml:3",
        "routes.toml:4",
        "routes.toml:5",
    ]
    assert read.routes == {}


def test_there_are_so_many_routes_and_no_more() -> None:
    """The number of routes is bounded."""
    text = "".join(f'[route.r{n}]\napprise_file = "/c"\n' for n in range(MOST_ROUTES + 1))

    assert parse(text)[1] == [
        f"routes.toml:1: route: {MOST_ROUTES + 1} routes; there may be {MOST_ROUTES}"
    ]


@given(st.text(max_size=200))
def test_any_text_is_routes_or_faults(text: str) -> None:
    """No text makes the reader fail."""
    read, faults = parse(text)

    assert not (read.routes and faults)
