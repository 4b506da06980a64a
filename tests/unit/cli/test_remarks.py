"""Remarks on rows: only on the hosts that are shown, and in few lines."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from imagedrift_cli.database import Reader
from imagedrift_cli.filters import Filters
from imagedrift_cli.remarks import MOST_NAMED, on_fleet, on_hosts

Row = dict[str, Any]


class FixedReader(Reader):
    """A database that answers named statements with what a test gives."""

    def __init__(self, **answers: Sequence[Row]) -> None:
        self._answers = answers

    async def named(self, statement: str, /, **values: object) -> list[Row]:
        """Answer."""
        return list(self._answers.get(statement, ()))

    async def composed(
        self, statement: str, values: Mapping[str, object], **clauses: str
    ) -> list[Row]:
        """Answer."""
        return await self.named(statement)


def host(number: int, **facts: Any) -> Row:
    """A host of which there is something to say."""
    quiet = {"silent": False, "silent_for": None, "degraded": None}
    return {"site": "fra1", "host": f"web-{number}", **quiet, **facts}


def silent(number: int) -> Row:
    """A host that has been silent for two days."""
    return host(number, silent=True, silent_for=timedelta(days=2))


async def test_only_hosts_of_the_rows_are_remarked_on() -> None:
    """A fault of another host bears on nothing that is shown."""
    remarks = await on_hosts(
        FixedReader(
            troubled_hosts=[silent(1), host(2, degraded="no answer"), silent(3)],
            letters_of_hosts=[host(2, times=1)],
        )
    )

    remarks.see([host(1), host(2), host(9)])

    assert remarks.lines() == [
        "note: fra1/web-1 is silent for 2 d: it may have changed since",
        "note: fra1/web-2 is degraded: no answer",
        "note: refused of fra1/web-2 in a day: 1 message; see `imagedrift dead-letters web-2`",
    ]


async def test_many_hosts_are_counted() -> None:
    """More than a few are not named, and the command that lists them is."""
    many = range(MOST_NAMED + 1)
    remarks = await on_hosts(
        FixedReader(
            troubled_hosts=[silent(n) | {"degraded": "x"} for n in many],
            letters_of_hosts=[host(n, times=1) for n in many],
        )
    )

    remarks.see([host(n) for n in many])

    assert [line.rpartition("imagedrift ")[2] for line in remarks.lines()] == [
        "hosts --silent`",
        "hosts --degraded`",
        "dead-letters`",
    ]


async def test_a_fleet_that_is_well_has_no_remark() -> None:
    """Each number that is not 0 has one."""
    well = FixedReader(letters_of_a_day=[{"times": 0}], degraded_hosts=[{"n": 0}])
    remarks = await on_fleet(Filters())(well)
    remarks.see([{"silent_hosts": 0}])
    assert remarks.lines() == []

    remarks = await on_fleet(Filters())(
        FixedReader(letters_of_a_day=[{"times": 2}], degraded_hosts=[{"n": 1}])
    )
    remarks.see([{"silent_hosts": 3}])
    assert remarks.lines() == [
        "note: silent: 3 hosts; see `imagedrift hosts --silent`",
        "note: degraded: 1 host; see `imagedrift hosts --degraded`",
        "note: refused in a day: 2 messages; see `imagedrift dead-letters`",
    ]
