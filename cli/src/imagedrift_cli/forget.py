"""`imagedrift forget`: give a host up before its silence has lasted long enough."""

import asyncio

import click

from imagedrift_cli import names
from imagedrift_cli.confirmation import confirm
from imagedrift_cli.database import Reader, database_url
from imagedrift_cli.database_failures import unusable
from imagedrift_cli.failures import BadUsage
from imagedrift_cli.filter_options import one
from imagedrift_ingest import commands
from imagedrift_ingest.errors import DatabaseUnavailable


@click.command()
@click.argument("name", metavar="HOST")
@click.option("--site", multiple=True, callback=one, help="The host of this site.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def forget(name: str, site: str | None, yes: bool) -> None:
    """Retire a host that is gone for good: it is not counted, and has no images.

    Its history is kept as that of every host. One that speaks again is there again: stop its agent
    first. Needs the role imagedrift_writer.
    """
    site, host = asyncio.run(_find(name, site))
    if not yes:
        confirm(f"Forget {site}/{host}?", "forget")
    try:
        asyncio.run(commands.forget(database_url(), site, host))
    except DatabaseUnavailable as error:
        raise unusable(database_url(), error) from error
    click.echo(f"forgotten: {site}/{host}")


async def _find(name: str, site: str | None) -> tuple[str, str]:
    """Find the one host of that name."""
    async with Reader.connected(database_url()) as reader:
        found = await names.find_hosts(reader, name, [site] if site else [])
    if len(found) > 1:
        raise BadUsage(names.several(name, found))
    return found[0]["site"], found[0]["host"]
