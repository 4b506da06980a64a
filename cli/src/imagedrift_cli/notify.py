"""`imagedrift notify`: the routes of messages to people, tried out.

The service `imagedrift-notifier` sends; this command checks the file, sends a test, or shows what
would be sent.
"""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import click
from msgspec import Struct

from imagedrift_cli import cells
from imagedrift_cli.database import database_url
from imagedrift_cli.failures import BadUsage, NotFound, Unusable
from imagedrift_notifier import commands
from imagedrift_notifier.core.route import MessageRoute, Routes
from imagedrift_runtime import settings
from imagedrift_runtime.settings import SettingsFault, Variable


class NotifySettings(Struct, frozen=True, kw_only=True):
    """Where the routes are."""

    routes: Annotated[str, Variable("IMAGEDRIFT_ROUTES", "path of routes.toml")]


@click.command()
@click.option("--test", "tested", metavar="ROUTE", help="Send a test message on this route.")
@click.option("--dry-run", is_flag=True, help="Print what would be sent of all that is due now.")
@click.option("--route", "named", metavar="ROUTE", help="Only this route, with --dry-run.")
def notify(tested: str | None, dry_run: bool, named: str | None) -> None:
    """Check the file of routes (IMAGEDRIFT_ROUTES), and list them.

    The service imagedrift-notifier sends the messages. --dry-run reads DATABASE_URL, as an operator
    does, and shows each route as if it had told nothing before; nothing is sent or noted.
    """
    if tested and (dry_run or named):
        raise BadUsage("--test goes alone: it sends one message")
    if named and not dry_run:
        raise BadUsage("--route goes with --dry-run")
    try:
        routes = commands.load(settings.load(NotifySettings).routes)
    except SettingsFault as fault:
        raise BadUsage(str(fault)) from fault
    if tested:
        _test(_named(routes, tested), routes.page)
    elif dry_run:
        chosen = [_named(routes, named)] if named else list(routes.routes.values())
        _show(chosen, routes.page)
    else:
        _list(routes)


def _named(routes: Routes, name: str) -> MessageRoute:
    if name not in routes.routes:
        raise NotFound("route", name, routes.routes)
    return routes.routes[name]


def _test(route: MessageRoute, page: str) -> None:
    if fault := asyncio.run(commands.send_test(route, page)):
        raise Unusable(f"route {route.name}: not sent: {cells.exact(fault)}")
    click.echo(f"route {route.name}: sent")


def _show(routes: Sequence[MessageRoute], page: str) -> None:
    try:
        made = asyncio.run(commands.preview(database_url(), routes, page))
    except commands.DatabaseAway as error:
        raise Unusable(f"the database (DATABASE_URL): {error}") from error
    for each in made:
        click.echo(f"== {each.route}: {each.content.title}\n{each.content.body}\n")
    if not made:
        click.echo("nothing is due on these routes")


def _list(routes: Routes) -> None:
    for route in routes.routes.values():
        about = ", ".join(route.kinds)
        click.echo(f"{route.name}: {route.channel}, {commands.when(route)}; tells of {about}")
    if faults := commands.file_faults(routes):
        raise BadUsage("\n".join(faults))
