"""Finds the named hosts and images, or the nearest names.

A host is named by its host name, by its id, or by `site/id`. Two hosts can share a name, also an
id on two sites: all are meant then, and it is said how to choose one.
"""

from collections.abc import Sequence

from imagedrift_cli import queries
from imagedrift_cli.cells import Row
from imagedrift_cli.database import Reader
from imagedrift_cli.failures import BadUsage, NotFound, nearest
from imagedrift_cli.filters import Filters
from imagedrift_schemas.errors import BadReference
from imagedrift_schemas.reference import ImageReference


def canonical(text: str) -> str:
    """Write an image reference in full. Raises `BadUsage`."""
    return parsed(text).canonical


def parsed(text: str) -> ImageReference:
    """Read an image reference. Raises `BadUsage`."""
    if not text:
        raise BadUsage("the name of the image is empty")
    try:
        return ImageReference.parse(text)
    except BadReference as error:
        raise BadUsage(f"{text}: {error}") from error


def is_image(name: str) -> bool:
    """Tell a name that can only be an image's from one that is taken for a host's."""
    return ":" in name or "@" in name or name.count("/") > 1


def host_condition(name: str) -> str:
    """Write the condition that a row is of the host called `:host_name`, or `:of_site/…`."""
    if "/" in name:
        return "site = :of_site::text AND host = :host_name::text"
    return "(hostname = :host_name::text OR host = :host_name)"


def host_values(name: str) -> dict[str, object]:
    """Give the parameters of that condition. Raises `BadUsage`.

    An empty name comes from a variable of a shell that is not set; hosts without a name are meant
    by their id.
    """
    if not name:
        raise BadUsage("the name of the host is empty")
    site, _, host = name.rpartition("/")
    return {"of_site": site, "host_name": host}


async def find_hosts(
    reader: Reader, name: str, sites: Sequence[str] = (), also: str = ""
) -> list[Row]:
    """Find the hosts of that name. Raises `NotFound`, which says `also` what else may be meant."""
    chosen = ["site = ANY (:sites::text[])"] if sites else []
    where = "WHERE " + " AND ".join([host_condition(name), *chosen])
    values = host_values(name) | {"sites": list(sites)}
    text, arguments = queries.positional(queries.composed("hosts_named", where=where), values)
    found = await reader.ask(text, *arguments)
    if not found:
        await check_sites(reader, sites)
        like = await reader.named("hosts_like", name=str(host_values(name)["host_name"]))
        kind = "host" + (f" on site {', '.join(sites)}" if sites else "")
        raise NotFound(kind, name, [row["name"] for row in like], "see `imagedrift hosts`", also)
    return found


async def find_image(reader: Reader, reference: ImageReference) -> None:
    """Make sure that a host has the image. Raises `NotFound`."""
    name = reference.canonical
    if await reader.ask("SELECT FROM ops.images WHERE reference = $1", name):
        return
    like = await reader.named("images_like", name=name, repository=reference.repository)
    raise NotFound("image", name, [row["name"] for row in like], "see `imagedrift images`")


async def has_image(reader: Reader, host: Row, reference: str) -> bool:
    """Tell whether a host has the image."""
    chosen = "WHERE site = :site::text AND host = :host::text AND reference = :reference::text"
    values = {"site": host["site"], "host": host["host"], "reference": reference}
    return bool(await reader.composed("references_of", values, where=chosen))


async def no_such_image(reader: Reader, host: str, reference: str) -> None:
    """Say that no host of a name has the image, unless one has. Raises `NotFound`."""
    chosen = f"WHERE {host_condition(host)}"
    rows = await reader.composed("references_of", host_values(host), where=chosen)
    there = [row["name"] for row in rows]
    if reference in there:  # the filters leave it out
        return
    raise NotFound(f"image on {host}", reference, there, f"see `imagedrift host {host}`")


async def check_sites(reader: Reader, sites: Sequence[str]) -> None:
    """Make sure that there are hosts of these sites. Raises `NotFound`."""
    for site in sites:
        await _check(reader, "site", site, "sites")


async def check_registries(reader: Reader, registries: Sequence[str]) -> None:
    """Make sure that there are images of these registries. Raises `NotFound`."""
    for registry in registries:
        await _check(reader, "registry", registry, "registry_names")


async def check_filters(reader: Reader, filters: Filters, *, is_free: bool = False) -> None:
    """Make sure that the objects of the filters exist, where they left nothing. Raises `NotFound`.

    A text that is free may be in no name: it is only told where a name is near.
    """
    await check_sites(reader, filters.sites)
    await check_registries(reader, filters.registries)
    for place in filters.places:
        await _check(reader, "place", place, "places")
    for key, value in filters.labels:
        [row] = await reader.named("has_label", key=key, value=value)
        if not row["found"]:
            await _check(reader, "label", f"{key}={value}", "labels")
    for text in filters.texts:
        [row] = await reader.named("is_a_word", text=text)
        if not row["found"]:
            words = [row["name"] for row in await reader.named("words")]
            if not is_free or nearest(text, words):
                raise NotFound("image or host", text, words)


async def _check(reader: Reader, kind: str, name: str, statement: str) -> None:
    known = [row["name"] for row in await reader.named(statement)]
    if name not in known:
        few = f"there are {', '.join(sorted(known))}" if 0 < len(known) <= 5 else ""
        raise NotFound(kind, name, known, few)


def several(name: str, hosts: Sequence[Row]) -> str:
    """Say that a name is not unique, and how to choose; empty where it is."""
    if len(hosts) < 2:
        return ""
    ids = ", ".join(f"{each['site']}/{each['host']}" for each in hosts[:5])
    more = f" and {len(hosts) - 5} more" if len(hosts) > 5 else ""
    return f"{len(hosts)} hosts are called {name}: {ids}{more}; choose by --site or site/id"
