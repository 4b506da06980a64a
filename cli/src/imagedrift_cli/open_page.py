"""`imagedrift open`: the address of the web page of a host, an image, or one verdict."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Final
from urllib.parse import quote, urlencode, urlsplit

import click
from msgspec import Struct

from imagedrift_cli import listing, names
from imagedrift_cli.database import Reader, database_url
from imagedrift_cli.failures import BadUsage
from imagedrift_cli.filter_options import not_empty
from imagedrift_runtime import settings
from imagedrift_runtime.settings import Variable

FORM: Final = "is not as https://drift.example.org"


def url_fault(url: str) -> str:
    """Say what is wrong with the address of the pages; empty when nothing is."""
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return FORM
    has_more = parts.query or parts.fragment or "@" in parts.netloc
    return "" if is_one and not has_more and url.isprintable() and " " not in url else FORM


class PageSettings(Struct, frozen=True, kw_only=True):
    """Where the web pages are."""

    dashboard_url: Annotated[
        str,
        Variable(
            "IMAGEDRIFT_DASHBOARD_URL",
            "address of the web pages, as https://drift.example.org",
            check=url_fault,
        ),
    ] = "http://127.0.0.1:8088"


def host_path(site: str, host: str) -> str:
    """Write the path of the page of a host."""
    return f"/hosts/{quote(site, safe='')}/{quote(host, safe='')}"


def why_path(site: str, host: str, reference: str) -> str:
    """Write the path of the page of one verdict."""
    return f"{host_path(site, host)}/why?{urlencode({'reference': reference})}"


def image_path(reference: str) -> str:
    """Write the path of the page of an image."""
    return f"/image?{urlencode({'reference': reference})}"


@click.command(name="open")
@click.argument("name", metavar="HOST|REF")
@click.argument("reference", metavar="[REF]", required=False)
@click.option("--site", "sites", multiple=True, callback=not_empty, help="The host of this site.")
@click.option(
    "--image", "is_image", is_flag=True, help="It is an image, though a host has its name."
)
def open_page(name: str, reference: str | None, sites: Sequence[str], is_image: bool) -> None:
    """Print the address of the web page of a host or an image; with both, that of the verdict.

    The pages are at IMAGEDRIFT_DASHBOARD_URL; DATABASE_URL tells whether the name is there.
    """
    of_image = is_image or names.is_image(name)
    if of_image and (reference or sites):
        raise BadUsage("imagedrift open: of an image alone: REF and --site are about a host")
    address = settings.load(PageSettings).dashboard_url.rstrip("/")
    for path in asyncio.run(_image(name) if of_image else _hosts(name, reference, sites)):
        click.echo(f"{address}{path}")


async def _image(name: str) -> list[str]:
    named = names.parsed(name)
    async with Reader.connected(database_url()) as reader:
        await names.find_image(reader, named)
    return [image_path(named.canonical)]


async def _hosts(name: str, reference: str | None, sites: Sequence[str]) -> list[str]:
    """Write the path of each host of a name, and say where there are several."""
    canonical = names.canonical(reference) if reference is not None else ""
    async with Reader.connected(database_url()) as reader:
        also = "" if reference else "for an image give its tag, or --image"
        found = await names.find_hosts(reader, name, sites, also)
        if canonical:
            found = [row for row in found if await names.has_image(reader, row, canonical)]
            if not found:
                await names.no_such_image(reader, name, canonical)
    if told := names.several(name, found):
        click.echo(listing.noted(told), err=True)
    if canonical:
        return [why_path(row["site"], row["host"], canonical) for row in found]
    return [host_path(row["site"], row["host"]) for row in found]
