"""`imagedrift due`, `decide`, `decisions` and `undo`, as they are typed."""

import asyncio
import json
import re
from collections.abc import Iterator

import pytest

from support.command_line import piped
from support.operator import Operator

NGINX = "docker.io/library/nginx:1.27"
PATTERNS = {
    "nginx:1.27": NGINX,
    "nginx*": "docker.io/library/nginx*",
    "bitnami/*": "docker.io/bitnami/*",
    "ghcr.io/org*": "ghcr.io/org*",
    "localhost/app*": "localhost/app*",
    "*": "*",
}


NEWER = """
WITH r AS (
  SELECT ref_id, registry, repository FROM fleet.image_refs
  WHERE reference = 'docker.io/library/redis:7'
), c AS (
  INSERT INTO fleet.image_refs (reference, registry, repository, tag, policy)
  SELECT 'docker.io/library/redis:7.4', registry, repository, '7.4', 'ask' FROM r
  RETURNING ref_id
)
INSERT INTO fleet.newer (ref_id, step, candidate_ref_id, state, since)
SELECT r.ref_id, 'minor', c.ref_id, 'newer', now() - interval '1 day' FROM r, c
"""


def decided(ended_out: str) -> str:
    """The key of the decision in the command's answer."""
    found = re.match(r"decided (\d+): ", ended_out)
    assert found, ended_out
    return found[1]


def references(dsn: str, *arguments: str) -> set[str]:
    """The references that a list has."""
    ended = piped(dsn, "due", "--json", *arguments)
    assert ended.code == 0, ended.err
    return {row["reference"] for row in json.loads(ended.out)}


def test_a_decision_is_made_seen_and_undone(own_dsn: str) -> None:
    """An ignored image is not due, its decision is listed with its reason, and undone it is due."""
    assert NGINX in references(own_dsn)

    made = piped(own_dsn, "decide", "nginx:1.27", "ignore", "--reason", "replaced next week")
    key = decided(made.out)
    assert made.out.endswith(f"ignore {NGINX} (1 reference)\n")
    assert NGINX not in references(own_dsn)
    assert references(own_dsn, "--excused") == {NGINX}
    assert "replaced next week" in piped(own_dsn, "decisions").out

    assert piped(own_dsn, "undo", key, "--reason", "now").out == f"undone {key}\n"
    assert NGINX in references(own_dsn)
    assert key not in piped(own_dsn, "decisions").out
    assert key in piped(own_dsn, "decisions", "--all").out


def test_a_decision_for_some_hosts_leaves_the_others_due(own_dsn: str) -> None:
    """A place, a span and an end are taken as they are written."""
    arguments = ["--value", "400 days", "--place", "ber1/rack-1", "--for", "3d"]
    assert piped(own_dsn, "decide", "nginx*", "wait", *arguments).code == 0

    assert NGINX not in references(own_dsn, "--host", "ber1/web-1")
    assert NGINX in references(own_dsn, "--host", "fra1/web-1")
    assert NGINX in references(own_dsn, "--overdue")


@pytest.mark.parametrize(("typed", "pattern"), PATTERNS.items())
def test_a_pattern_is_written_in_full(typed: str, pattern: str) -> None:
    """As a reference is: the statement that is printed has the registry."""
    printed = piped("", "decide", typed, "pin", "--sql").out
    assert f"ops.decide('{pattern}'::text, '{{}}'::text::jsonb, 'pin'::text" in printed


def test_a_pattern_that_matches_nothing_is_told_and_kept(own_dsn: str) -> None:
    """A pattern without a match is about images to come."""
    made = piped(own_dsn, "decide", "quay.io/none/*", "ignore", "--reason", "not ours")
    assert made.code == 0
    assert "(0 references)" in made.out
    assert "no host has such an image" in made.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["due", "--host", "web-2"], "no such host: web-2; did you mean web-1?"),
        (["due", "--host", "fra2/web-1"], "no such host"),
        (
            ["decide", "nginx:1.27", "pin", "--site", "fra2"],
            "no such site: fra2; did you mean fra1?",
        ),
        (["decide", "nginx:1.27", "pin", "--place", "ber1/rack-9/"], "did you mean ber1/rack-1"),
        (["decide", "nginx:1.27", "pin", "--label", "env=prd"], "did you mean env=prod?"),
        (["undo", "99"], "no such decision: 99; see `imagedrift decisions --all`"),
        (["decisions", "--site", "fra2"], "did you mean fra1?"),
    ],
)
def test_what_is_not_there_is_told_with_the_nearest_names(
    fleet_dsn: str, arguments: list[str], words: str
) -> None:
    """With exit code 4, in one line; nothing is decided."""
    ended = piped(fleet_dsn, *arguments)
    assert ended.code == 4, ended.err
    assert words in ended.err
    assert len(ended.err.splitlines()) == 1


def test_a_pattern_with_a_slip_names_what_may_be_meant(own_dsn: str) -> None:
    """The decision is kept, as its images may come."""
    made = piped(own_dsn, "decide", "ngnix:1.27", "pin")
    assert made.code == 0
    assert f"no host has such an image now; did you mean {NGINX}?" in made.err


FILTERED = {
    ("--site", "fra1"): {"everywhere", "rack", "fra1", "collector"},
    ("--site", "ber1"): {"everywhere", "rack", "collector"},
    ("--place", "ber1"): {"everywhere", "rack", "collector", "fra1"},
    ("--place", "ber1/rack-1"): {"everywhere", "rack", "collector", "fra1"},
    ("--place", "fra1/rack-7"): {"everywhere", "collector", "fra1"},
    ("--label", "env=test"): {"everywhere", "rack", "fra1"},
    ("--label", "env=prod"): {"everywhere", "rack", "fra1", "collector"},
    ("--registry", "ghcr.io"): {"everywhere", "collector"},
    ("--registry", "docker.io"): {"everywhere", "rack", "fra1"},
    ("--running",): {"everywhere", "rack", "fra1", "collector"},
    ("--verdict", "current"): {"everywhere", "fra1"},
    ("--verdict", "unknown"): {"everywhere"},
    ("--site", "fra1", "--verdict", "current"): {"everywhere", "fra1"},
    ("rack",): {"rack"},
}


@pytest.fixture
def decided_dsn(own_dsn: str) -> str:
    """The fleet with decisions, each named by its reason."""
    for arguments in (
        ["*", "wait", "--value", "0 days", "--reason", "everywhere"],
        ["nginx:1.27", "pin", "--place", "ber1/rack-1", "--reason", "rack"],
        ["docker.io/library/*", "pin", "--site", "fra1", "--reason", "fra1"],
        ["ghcr.io/example*", "pin", "--label", "env=prod", "--reason", "collector"],
    ):
        assert piped(own_dsn, "decide", *arguments).code == 0
    return own_dsn


def test_the_filters_of_decisions_leave_those_that_may_be_about_such_images(
    decided_dsn: str,
) -> None:
    """As the filters of every list do."""
    for arguments, reasons in FILTERED.items():
        ended = piped(decided_dsn, "decisions", "--json", *arguments)
        assert ended.code == 0, ended.err
        assert {row["reason"] for row in json.loads(ended.out)} == reasons, arguments


def test_a_version_is_asked_for_and_skipped(own_dsn: str) -> None:
    """The list of what is due names it; of versions only the newest can be skipped."""
    asyncio.run(Operator(own_dsn).ask(NEWER))
    assert piped(own_dsn, "decide", "redis:7", "within", "--value", "minor").code == 0
    rows = json.loads(piped(own_dsn, "due", "--json", "redis").out)
    assert {(row["cause"], row["newest"], row["step"]) for row in rows} == {
        ("version", "7.4", "minor")
    }
    assert "7.4" in piped(own_dsn, "due", "redis").out

    assert piped(own_dsn, "decide", "redis:7", "skip", "--value", "7.9").code == 64
    assert piped(own_dsn, "decide", "redis:7", "skip", "--value", "7.4").code == 0
    assert json.loads(piped(own_dsn, "due", "--json", "redis").out) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nginx:1.27", "ignore"], "ignore needs a reason: --reason"),
        (["nginx:1.27", "accept", "--reason", " "], "accept needs a reason: --reason"),
        (["nginx:1.27", "wait"], "wait needs a value: --value 3d"),
        (["nginx:1.27", "within"], "within needs a value: --value minor"),
        (["nginx:1.27", "snooze"], "snooze needs an end: --for or --until"),
        (["nginx:1.27", "snooze", "--until", "soon"], "--until soon: write a time"),
        (["nginx:1.27", "snooze", "--until", "99999-01-01"], "--until 99999-01-01: write a time"),
        (["nginx:1.27", "snooze", "--until", "2w"], "for a span use --for"),
        (["nginx:1.27", "snooze", "--for", "soon"], "--for soon: write a span"),
        (["nginx:1.27", "snooze", "--for", "900000y"], "--for 900000y: write a span"),
        (["nginx:1.27", "snooze", "--for", "2w", "--until", "2099-12-24"], "give one of them"),
        (["nginx:1.27", "wait", "--value", "soon"], "write a span"),
        (["nginx*", "skip"], "name one reference"),
        (["nginx:1.27", "close"], "'close' is not one of"),
    ],
)
def test_a_wrong_decision_is_refused_in_one_line(
    fleet_dsn: str, arguments: list[str], words: str
) -> None:
    """With exit code 64, and words that name the option or the value."""
    ended = piped(fleet_dsn, "decide", *arguments)
    assert ended.code == 64, ended.err
    assert words in ended.err
    assert len(ended.err.splitlines()) == 1


@pytest.fixture
def reader_dsn(own_dsn: str) -> Iterator[str]:
    """A login that reads."""
    database = Operator(own_dsn)
    asyncio.run(
        database.ask("CREATE ROLE reader LOGIN PASSWORD 'secret' IN ROLE imagedrift_operator")
    )
    yield re.sub(r"postgresql://[^@]*@", "postgresql://reader:secret@", own_dsn)
    asyncio.run(database.ask("DROP ROLE reader"))


def test_who_may_not_decide_is_told_which_role_may(reader_dsn: str, own_dsn: str) -> None:
    """A decider reads and decides, and the audit has its name."""
    arguments = ["decide", "nginx:1.27", "accept", "--reason", "fine"]
    refused = piped(reader_dsn, *arguments)
    assert refused.code == 69
    assert "imagedrift_decider" in refused.err

    asyncio.run(Operator(own_dsn).ask("GRANT imagedrift_decider TO reader"))
    assert piped(reader_dsn, *arguments).code == 0
    [row] = json.loads(piped(reader_dsn, "decisions", "--json").out)
    assert (row["by"], row["active"]) == ("reader", True)
