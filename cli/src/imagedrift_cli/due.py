"""`imagedrift due` and `decisions`: what has to be updated now, and what was decided about it."""

from collections.abc import Sequence

import click
from msgspec.structs import replace

from imagedrift_cli import listing, names, remarks
from imagedrift_cli.database import Reader
from imagedrift_cli.filter_options import filtered
from imagedrift_cli.filters import OF_DECISIONS, Filters, Scope, where
from imagedrift_cli.listing import Before, ListQuery, noted
from imagedrift_cli.output import Output, shown

OVERDUE = "overdue_for IS NOT NULL"
ACTIVE = "active"


@click.command()
@click.option("--host", "name", metavar="HOST", help="Only this host.")
@click.option("--overdue", is_flag=True, help="Only what is overdue.")
@click.option("--excused", is_flag=True, help="What is excused or waits, and by which decision.")
@shown()
@filtered()
def due(filters: Filters, output: Output, name: str | None, overdue: bool, excused: bool) -> None:
    """Images that are due: not excused, and past their waiting time; longest first.

    An image is outdated, or behind by a version that is asked for, by `imagedrift decide` or its
    container's label. TEXT has to be in the reference or the host's name.
    """
    conditions = [names.host_condition(name)] if name is not None else []
    conditions += [OVERDUE] if overdue else []
    asked = ListQuery(
        statement="excused" if excused else "due",
        values=filters.values | (names.host_values(name) if name is not None else {}),
        clauses={"where": where(filters, Scope(), *conditions)},
        brief=("site?", "hostname", "host?", "reference", "newest?", "running", "due_at=due",
               "excused_by?" if excused else "overdue_for?=overdue"),
        noun="excused or waiting images" if excused else "due images",
        is_narrowed=True,
        filters=filters,
        before=_finding(name, filters) if name is not None else None,
        remarking=remarks.on_hosts,
    )  # fmt: skip
    listing.answer(asked, output)


@click.command()
@click.option("--all", "every", is_flag=True, help="Also those that ended or were undone.")
@shown()
@filtered()
def decisions(filters: Filters, output: Output, every: bool) -> None:
    """Decisions in force, the newest first: who decided what, for which hosts, and why.

    A filter leaves the decisions that may be about such hosts and images. TEXT has to be in the
    pattern, the login, the kind or the reason.
    """
    asked = ListQuery(
        statement="decisions",
        values=filters.values,
        clauses={"where": where(filters, OF_DECISIONS, *([] if every else [ACTIVE]))},
        brief=("decision_id=id", "by", "kind", "pattern", "selector?", "value?", "until?",
               "matches", "reason?=why"),
        noun="decisions",
        filters=replace(filters, texts=()),
    )  # fmt: skip
    listing.answer(asked, output)


def _finding(name: str, filters: Filters) -> Before:
    """Make the step that finds the hosts of a name, and says where there are several."""

    async def find(reader: Reader) -> Sequence[str]:
        told = names.several(name, await names.find_hosts(reader, name, filters.sites))
        return [noted(told)] if told else []

    return find
