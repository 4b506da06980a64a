"""The system's work of now, laid out."""

from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from imagedrift_cli.display import Display
from imagedrift_cli.top import lines
from imagedrift_runtime.nats.results import ConsumerLag
from support.ingest import NOW

SEEN = Display(now=NOW, width=80)
ACTIVITY: dict[str, Any] = {
    "hosts": 12_345,
    "silent": 6,
    "heard_last_minute": 7,
    "changed_last_minute": 8,
    "behind": 9,
    "asked_last_minute": 10,
    "answered_last_minute": 11,
    "failing": 0,
    "due": 0,
    "overdue_for": None,
}


def laid_out(queues: Any = None, **changed: Any) -> list[str]:
    """Lay out what the system does, without budgets."""
    return lines(ACTIVITY | changed, [], queues, SEEN)


def test_the_rates_of_the_last_minute_are_told() -> None:
    """Numbers have separators, and what waits has its age."""
    told = laid_out(due=3, overdue_for=timedelta(minutes=61))

    assert told[0].startswith("hosts     12,345, silent 6, heard 7/min, changed 8/min")
    assert told[2] == "waiting   due 3, oldest 1 h 1 min"
    assert laid_out()[2] == "waiting   due 0, oldest none"


def test_a_terminal_says_how_many_registries_it_leaves_out() -> None:
    """A pipe has all of them."""
    budgets = [{"registry": f"r{n}", "credential": "anonymous"} for n in range(20)]

    shown = lines(ACTIVITY, budgets, None, SEEN)
    piped = lines(ACTIVITY, budgets, None, replace(SEEN, width=None))

    assert shown[-1] == "15 of 20 registries; `imagedrift registries` has all"
    assert len(piped) == len(shown) + 4


def test_queues_are_told_where_nats_was_looked_at() -> None:
    """A message that is delivered and not finished is in flight."""
    lags = [ConsumerLag(pending=5, in_flight=1), ConsumerLag(pending=2, in_flight=1)]

    assert laid_out()[3] == "queues    not looked at, as NATS_URL is not set"
    assert laid_out({"questions": lags, "answers": []})[3] == (
        "queues    unread questions 7, answers 0; in flight 2"
    )
