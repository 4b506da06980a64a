"""`imagedrift plan` and `plans`: which hosts get which digest, in which ring, and how far they are.

Nothing is installed: other tools read the plan. What is done is seen in inventories.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Final

import click
from msgspec import Struct

from imagedrift_cli import display, listing, names, plan_formats, queries
from imagedrift_cli.cells import Row
from imagedrift_cli.database import Reader, database_url
from imagedrift_cli.failures import BadUsage, NotFound
from imagedrift_cli.filter_options import filtered
from imagedrift_cli.filters import OF_REFERENCE, Filters, Scope, where
from imagedrift_cli.listing import ListQuery
from imagedrift_cli.output import Output, shown
from imagedrift_cli.plan_formats import COLUMNS, FORMATS, PlanFormat

STATES: Final = ("waiting", "done", "silent", "regressed")
NAMED: Final = "reference = ANY (:references::text[])"
OF_PLANNED: Final = Scope(
    frozenset({"site", "place", "label", "registry", "running"}), "(site, host, reference)",
    conditions={"registry": OF_REFERENCE},
)  # fmt: skip
"""Rows of `ops.plan_hosts`."""
RINGS_OF_HOSTS: Final = "SELECT plan_id, ring FROM ops.plan_hosts"
OUTDATED: Final = "cause = 'outdated'"
"""A newer version is another reference: whoever defines the container has to name it."""


class Wish(Struct, frozen=True, kw_only=True):
    """The images and hosts that somebody wants a plan for."""

    references: tuple[str, ...]
    rings: str
    filters: Filters
    note: str

    @property
    def values(self) -> dict[str, object]:
        """Give the parameters of its statements."""
        shares = plan_formats.shares_of(self.rings)
        return self.filters.values | {
            "references": list(self.references) or None,
            "rings": shares,
            "ends": plan_formats.ends_of(shares),
            "selector": json.dumps(self.selector),
            "note": self.note,
        }

    @property
    def text(self) -> str:
        """Write the query of its rows."""
        named = [NAMED] if self.references else [OUTDATED]
        view = "ops.outdated" if self.references else "ops.due"
        return queries.composed("plan", view=view, where=where(self.filters, Scope(), *named))

    @property
    def selector(self) -> dict[str, str]:
        """Give the hosts of a plan that is saved: one site, one place, one label at most."""
        labels = [f"{key}={value}" for key, value in self.filters.labels]
        given = {"site": self.filters.sites, "place": self.filters.places, "label": labels}
        return {name: texts[0] for name, texts in given.items() if texts}

    @property
    def unsaved(self) -> list[str]:
        """Name the options that cannot be part of a plan that is saved."""
        several = {"site": self.filters.sites, "place": self.filters.places,
                   "label": self.filters.labels}  # fmt: skip
        return [
            f"--{name}" for name in self.filters.kinds
            if name not in several or len(several[name]) > 1
        ]  # fmt: skip


@click.command()
@click.argument("references", nargs=-1, metavar="[REFERENCE]...")
@click.option("--due", "is_due", is_flag=True, help="Plan for all that is due.")
@click.option("--ring", "rings", default="rest", help="Shares of all hosts, as 1%,10%,rest.")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="table",
    metavar="FORMAT",
    help="table, json, ansible (an inventory) or compose (an override for each host).",
)
@click.option("--save/--dry-run", "is_saved", default=False, help="Save it, or only show it.")
@click.option("--note", default="", help="What the plan is for; shown by `imagedrift plans`.")
@click.option("--sql", "as_sql", is_flag=True, help="Print the query instead.")
@filtered(texts=False)
def plan(
    references: tuple[str, ...], filters: Filters, is_due: bool, rings: str, form: PlanFormat,
    is_saved: bool, note: str, as_sql: bool,
) -> None:  # fmt: skip
    """Show which hosts should get which digest, in which ring; or save that to follow it.

    REFERENCE is planned for every host where it is outdated, excused or not; a newer version is not
    planned, as its tag is another. A host is in the same
    ring of every plan with the same shares. To save needs the role imagedrift_decider.

    Every filter works on what is shown. A saved plan holds one --site, --place and --label alone,
    as it is followed for whole hosts.
    """
    if bool(references) == is_due:
        raise BadUsage("name what to plan for: a REFERENCE, or --due for all that is due")
    wish = Wish(
        references=tuple(map(names.canonical, references)),
        rings=rings, filters=filters, note=note,
    )  # fmt: skip
    if is_saved and wish.unsaved:
        raise BadUsage(
            f"--save with {' and '.join(wish.unsaved)}: a saved plan is of one --site, --place and"
            " --label at most; name its images as REFERENCE"
        )
    if as_sql:
        click.echo(queries.filled_in(wish.text, wish.values))
        return
    rows, saved = asyncio.run(_planned(wish, is_saved=is_saved))
    count = len(plan_formats.shares_of(rings))
    listing.write(plan_formats.written(rows, form, display.current(), count), display.current())
    told = listing.counted(len(rows), "planned images")
    if saved is None:
        click.echo(listing.noted(f"{told}; nothing is saved: --save does"), err=True)
    else:
        click.echo(listing.noted(f"{told}; saved: see imagedrift plans {saved}"), err=True)


@click.command()
@click.argument("plan_id", metavar="[ID]", type=int, required=False)
@click.option("--state", type=click.Choice(STATES), help="Of a plan, only hosts in this state.")
@shown()
@filtered(texts=False)
def plans(filters: Filters, output: Output, plan_id: int | None, state: str | None) -> None:
    """Saved plans by ring, the newest first; with ID the hosts of one plan.

    Filters leave the rings that have such a host or image; each is counted whole. A host is
    `waiting`, `done` (seen in an inventory), `silent` (and not done), or `regressed`: fewer
    containers run than before.
    """
    if plan_id is None:
        if state:
            raise BadUsage("--state is about the hosts of a plan: give its ID")
        listing.answer(_all_plans(filters), output)
        return
    conditions = ["plan_id = :plan_id::bigint", *(["state = :state::text"] if state else [])]

    async def is_absent(reader: Reader) -> None:
        if not await reader.ask("SELECT FROM ops.plans WHERE plan_id = $1", plan_id):
            raise NotFound("plan", str(plan_id), (), "see `imagedrift plans`")

    asked = ListQuery(
        statement="plan_hosts",
        values=filters.values | {"plan_id": plan_id, "state": state},
        clauses={"where": where(filters, OF_PLANNED, *conditions)},
        brief=("ring", "site?", "hostname", "host?", "reference", "state", "running_before=before",
               "running"),
        noun="planned images",
        filters=filters,
        if_none=is_absent,
    )  # fmt: skip
    listing.answer(asked, output)


def _all_plans(filters: Filters) -> ListQuery:
    chosen = where(filters, OF_PLANNED)
    inside = f"{RINGS_OF_HOSTS}\n{chosen}"
    return ListQuery(
        statement="plans",
        values=filters.values,
        clauses={"where": f"WHERE (plan_id, ring) IN (\n{inside})" if chosen else ""},
        brief=("plan_id=plan", "made_at=made", "what", "ring", "hosts", "done", "waiting", "silent",
               "regressed"),
        noun="rings",
        filters=filters,
    )  # fmt: skip


async def _planned(wish: Wish, *, is_saved: bool) -> tuple[Sequence[Row], int | None]:
    """Read the rows of a plan, or save it and read the saved ones: with its key."""
    values = wish.values
    async with Reader.connected(database_url()) as reader:
        for reference in wish.references:
            await names.find_image(reader, names.parsed(reference))
        await names.check_filters(reader, wish.filters)
        if not is_saved:
            text, arguments = queries.positional(wish.text, values)
            return [_sorted(row) for row in await reader.ask(text, *arguments)], None
        [made] = await reader.named(
            "make_plan", **_only(values, "references", "rings", "selector", "note")
        )
        plan_id = made["plan_id"]
        text = queries.composed("plan_hosts", where="WHERE plan_id = :plan_id::bigint")
        text, arguments = queries.positional(text, {"plan_id": plan_id})
        rows = await reader.ask(text, *arguments)
    return [_sorted({name: row[name] for name in COLUMNS}) for row in rows], plan_id


def _sorted(row: Row) -> Row:
    """Name each container once, in order."""
    return row | {"containers": sorted(set(row["containers"] or ()))}


def _only(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: values[name] for name in names}
