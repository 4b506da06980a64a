"""`imagedrift check`: ask registries again now, and show the answers as they come.

The questions go to the fleet's resolvers, which keep to the budget of each registry. A registry
that blocks us is not asked. Ingest stores the answers as any others.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import click
from msgspec import Struct

from imagedrift_cli import cells, listing, names, queries
from imagedrift_cli.database import Reader, database_url
from imagedrift_cli.exits import Exit
from imagedrift_cli.failures import BadUsage, NotFound, Unusable
from imagedrift_cli.filter_options import not_empty
from imagedrift_runtime import clock, settings
from imagedrift_runtime.common_settings import CommonSettings
from imagedrift_runtime.nats import bus
from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.nats.errors import BusError
from imagedrift_runtime.registries import operator_file
from imagedrift_runtime.registries.operator_file import RegistriesFault
from imagedrift_runtime.settings import Variable
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.questions import question_about
from imagedrift_schemas.reference import ImageReference
from imagedrift_schemas.v1 import Answer, Resolve

QUESTION_TTL_S: Final = 60.0
POLL_S: Final = 0.2


class CheckSettings(CommonSettings, Struct, frozen=True, kw_only=True):
    """Where NATS is, and which registries have a lane of their own."""

    registries: Annotated[
        str,
        Variable("IMAGEDRIFT_REGISTRIES", "path of registries.toml: lanes of questions", file=""),
    ] = ""


@click.command()
@click.argument("name", metavar="[REF|HOST]", required=False)
@click.option("--registry", callback=not_empty, help="Everything of this registry, as docker.io.")
@click.option("--site", "sites", multiple=True, callback=not_empty, help="The host of this site.")
@click.option(
    "--wait",
    type=click.IntRange(1, 3600),
    default=60,
    show_default=True,
    help="Seconds to wait for the answers.",
)
def check(name: str | None, registry: str | None, sites: tuple[str, ...], wait: int) -> None:
    """Ask again now: about an image, all images of a host, or of a registry.

    Reads DATABASE_URL, and asks over NATS (NATS_URL) as a service does. Ends with 2 where an answer
    is a failure, or none came in time.
    """
    if bool(name) == bool(registry):
        raise BadUsage("imagedrift check: name an image or a host, or give --registry")
    if sites and (registry or names.is_image(name or "")):
        raise BadUsage("imagedrift check: --site chooses a host, and none is named")
    try:
        is_told = asyncio.run(_check(name or "", registry or "", sites, wait))
    except (settings.SettingsFault, RegistriesFault) as fault:
        raise BadUsage(str(fault)) from fault
    except BusError as error:
        raise Unusable(f"NATS (NATS_URL): {error}") from error
    sys.exit(Exit.ANSWERED if is_told else Exit.UNTOLD)


async def _check(name: str, registry: str, sites: Sequence[str], wait_s: float) -> bool:
    values = settings.load(CheckSettings)
    lanes = operator_file.load(values.registries or None)
    async with Reader.connected(database_url()) as reader:
        wanted = await _references_of(reader, name, registry, sites)
    blocked = [row for row in wanted if row["blocked_until"]]
    for row in blocked:
        until = cells.whole(row["blocked_until"])
        click.echo(f"{row['reference']}  not asked: {row['registry']} blocks until {until}")
    asked = [ImageReference.parse(row["reference"]) for row in wanted if row not in blocked]
    async with bus.connect(values.nats_url, "imagedrift-check", **values.nats) as nats:
        began = clock.now()
        questions = {each.canonical: question_about(each, began, began) for each in asked}
        for question in questions.values():
            subject = subjects.lookup(lanes.lane_of(question.registry), question)
            payload = codec.encode(question)
            ttl_s = max(QUESTION_TTL_S, wait_s)  # it is there for as long as somebody waits
            await nats.replace(subjects.STREAM_LOOKUP, subject, payload, ttl_s=ttl_s)
        return await _answers(nats, questions, began, wait_s) and not blocked


async def _references_of(
    reader: Reader, name: str, registry: str, sites: Sequence[str]
) -> list[dict[str, Any]]:
    """List the references that are meant and ever asked. Raises `NotFound`."""
    if registry:
        await names.check_registries(reader, [registry])
        chosen = "i.registry = :registry::text"
        values: dict[str, object] = {"registry": registry}
        kind, named = "registry that is asked", registry
    elif names.is_image(name):
        await names.find_image(reader, names.parsed(name))
        kind, named = "image that is asked", names.canonical(name)
        chosen, values = "i.reference = :reference::text", {"reference": named}
    else:
        if told := names.several(name, await names.find_hosts(reader, name, sites)):
            click.echo(listing.noted(told), err=True)
        kind, named = "image that is asked on host", name
        chosen, values = _of_host(name, sites)
    where = f"WHERE i.next_check_at IS NOT NULL AND {chosen}"
    text, arguments = queries.positional(queries.composed("asked", where=where), values)
    found = await reader.ask(text, *arguments)
    if not found:
        raise NotFound(kind, named)
    return found


def _of_host(name: str, sites: Sequence[str]) -> tuple[str, dict[str, object]]:
    """Write the condition that a host of that name asks for a reference, and its parameters."""
    of_site = " AND site = ANY (:sites::text[])" if sites else ""
    condition = f"{names.host_condition(name)}{of_site} AND next_check_at IS NOT NULL"
    chosen = ["i.reference IN (SELECT reference FROM ops.comparisons", f"{condition})"]
    return " WHERE ".join(chosen), names.host_values(name) | {"sites": list(sites)}


async def _answers(
    nats: Bus, questions: dict[str, Resolve], began: datetime, wait_s: float
) -> bool:
    """Print each answer as it comes and return whether all came and none is a failure."""
    bucket = await nats.bucket(subjects.BUCKET_DIGESTS)
    waiting, is_told = dict(questions), True
    until = time.monotonic() + wait_s
    while waiting and time.monotonic() < until:
        for reference, question in list(waiting.items()):
            entry = await bucket.get(subjects.answer_key(question))
            answer = codec.decode(entry.value, Answer) if entry else None
            if answer and answer.checked_at >= began:
                del waiting[reference]
                is_told = _show(reference, answer) and is_told
        await asyncio.sleep(POLL_S if waiting else 0)
    for reference in waiting:
        click.echo(f"{reference}  no answer within {wait_s:g} s: see `imagedrift top`")
    return is_told and not waiting


def _show(reference: str, answer: Answer) -> bool:
    """Print an answer and return whether it is conclusive."""
    kind = str(answer.outcome.__struct_config__.tag)
    told = getattr(answer.outcome, "digest", "") or getattr(answer.outcome, "reason", "")
    click.echo(cells.exact(f"{reference}  {kind}  {told}".rstrip()))
    return kind in ("found", "missing")
