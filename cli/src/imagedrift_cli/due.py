"""`imagedrift due` and `decisions`: what has to be updated now, and what was decided about it."""

import click

from imagedrift_cli import listing, names, remarks
from imagedrift_cli.filters import OF_A_HOST, Filters, Scope, filtered, where
from imagedrift_cli.listing import Asked
from imagedrift_cli.output import Output, shown

OVERDUE = "overdue_for IS NOT NULL"
ACTIVE = "active"
DECISION_TEXTS = ("pattern", "by", "kind", "reason")


@click.command()
@click.option("--host", "name", metavar="HOST", help="Only this host.")
@click.option("--overdue", is_flag=True, help="Only what is overdue.")
@click.option("--excused", is_flag=True, help="What is excused or waits, and by which decision.")
@shown()
@filtered(without=("verdict",))
def due(filters: Filters, output: Output, name: str | None, overdue: bool, excused: bool) -> None:
    """Outdated images that are due: not excused, and past their waiting time; longest first.

    TEXT has to be in the reference or the host's name. See `imagedrift decide`.
    """
    conditions = [names.host_condition(name)] if name else []
    conditions += [OVERDUE] if overdue else []
    asked = Asked(
        statement="excused" if excused else "due",
        values=filters.values | names.host_values(name or ""),
        clauses={"where": where(filters, Scope(), *conditions)},
        brief=("site?", "hostname", "host?", "reference", "running", "due_at=due",
               "excused_by?" if excused else "overdue_for?=overdue"),
        noun="excused or waiting images" if excused else "due images",
        filters=filters,
        remarking=remarks.on_hosts,
    )  # fmt: skip
    listing.answer(asked, output)


@click.command()
@click.option("--all", "every", is_flag=True, help="Also those that ended or were undone.")
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@shown()
def decisions(output: Output, texts: tuple[str, ...], every: bool) -> None:
    """Decisions in force, the newest first: who decided what, for which hosts, and why.

    TEXT has to be in the pattern, the login, the kind or the reason.
    """
    filters = Filters(texts=texts)
    scope = Scope(OF_A_HOST, texts=DECISION_TEXTS)
    asked = Asked(
        statement="decisions",
        values=filters.values,
        clauses={"where": where(filters, scope, *([] if every else [ACTIVE]))},
        brief=("decision_id=id", "by", "kind", "pattern", "selector?", "value?", "until?",
               "matches", "reason?=why"),
        noun="decisions",
    )  # fmt: skip
    listing.answer(asked, output)
