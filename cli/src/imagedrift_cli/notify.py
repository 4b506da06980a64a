"""`imagedrift notify`: the routes of messages to people, tried out.

The service `imagedrift-notifier` sends; this command checks the file, sends a test, or shows what
would be sent.
"""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import click
from msgspec import Struct

from imagedrift_cli import cells, listing, names
from imagedrift_cli.database import Reader, database_url
from imagedrift_cli.failures import BadUsage, NotFound, Unusable
from imagedrift_cli.filters import Filters
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
    does, and shows each route as if it had told nothing before; nothing is sent or noted. It says
    which site, place, label or registry of a route no host has.
    """
    if tested and (dry_run or named):
        raise BadUsage("--test goes alone: it sends one message")
    if named and not dry_run:
        raise BadUsage("--route goes with --dry-run")
    try:
        file = settings.load(NotifySettings).routes
        routes = commands.load(file)
    except SettingsFault as fault:
        raise BadUsage(str(fault)) from fault
    if tested:
        _test(_named(routes, tested), routes.page)
    elif dry_run:
        chosen = [_named(routes, named)] if named else list(routes.routes.values())
        _show(chosen, routes.page)
    else:
        _list(routes, file)


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
        made, strange = asyncio.run(_previewed(database_url(), routes, page))
    except commands.DatabaseUnreachable as error:
        raise Unusable(f"the database (DATABASE_URL): {error}") from error
    for each in made:
        click.echo(f"== {each.route}: {each.content.title}\n{each.content.body}\n")
    if not made:
        click.echo("nothing is due on these routes")
    for fault in strange:
        click.echo(listing.noted(fault), err=True)


async def _previewed(
    dsn: str, routes: Sequence[MessageRoute], page: str
) -> tuple[list[commands.Preview], list[str]]:
    made = await commands.preview(dsn, routes, page)
    async with Reader.connected(dsn) as reader:
        strange = [fault for route in routes for fault in await _nowhere(reader, route)]
    return made, strange


async def _nowhere(reader: Reader, route: MessageRoute) -> list[str]:
    """Say which names of a route no host has: it is no fault, as a host may come, but a slip is."""
    faults = []
    for only in _each_alone(route):
        try:
            await names.check_filters(reader, only)
        except NotFound as error:
            faults.append(f"route {route.name}: {error}")
    return faults


def _each_alone(route: MessageRoute) -> list[Filters]:
    """Write each name that a route chooses hosts or images by as a filter of its own."""
    return [
        *(Filters(sites=(site,)) for site in route.hosts.sites),
        *(Filters(places=(place,)) for place in route.hosts.places),
        *(Filters(labels=(label,)) for label in route.hosts.labels.items()),
        *(Filters(registries=(registry,)) for registry in route.registries),
    ]


def _list(routes: Routes, file: str) -> None:
    if not routes.routes:
        click.echo(cells.exact(f"{file}: no route: nothing is sent"))
    for route in routes.routes.values():
        about = ", ".join(route.kinds)
        told = f"{route.name}: {route.channel}, {commands.when(route)}; tells of {about}"
        click.echo(told + cells.exact(_limits(route)))
    if faults := commands.file_faults(routes):
        raise BadUsage("\n".join(faults))


def _limits(route: MessageRoute) -> str:
    """Say of which hosts and images a route tells; empty for all."""
    chosen = {
        "site": route.hosts.sites,
        "place": route.hosts.places,
        "label": [f"{key}={value}" for key, value in route.hosts.labels.items()],
        "registry": route.registries,
    }
    return "".join(f"; {name} {', '.join(of)}" for name, of in chosen.items() if of)
