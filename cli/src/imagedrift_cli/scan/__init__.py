"""`imagedrift scan`: this host, now, without any server; with a fleet's cache where there is one.

Exit codes: 1 something is outdated; else 2 it could not be told for at least one image; else 3 a
tag is missing; else 0.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import Progress

from imagedrift_agent.core.snapshot import SourceFault
from imagedrift_agent.settings import AgentSettings
from imagedrift_agent.wiring import take_inventory
from imagedrift_cli import display, forms, listing
from imagedrift_cli.failures import BadUsage, NotFound, Unusable
from imagedrift_cli.output import Output, shown
from imagedrift_cli.scan.direct import resolver
from imagedrift_cli.scan.verdicts import ScanFinding, judged
from imagedrift_cli.scan.via_fleet import SharedSettings, preferring_shared
from imagedrift_resolver.adapters.docker_config import docker_credentials
from imagedrift_resolver.adapters.routes import proxies_of
from imagedrift_resolver.settings import ResolverSettings
from imagedrift_runtime import clock, settings
from imagedrift_runtime.nats.errors import NoBus
from imagedrift_runtime.registries import operator_file
from imagedrift_runtime.settings import SettingsFault
from imagedrift_schemas.errors import BadReference
from imagedrift_schemas.reference import ImageReference
from imagedrift_schemas.v1 import LocalImage

RANKS: Final = {
    name: rank
    for rank, name in enumerate(("outdated", "unknown", "missing", "current", "pinned", "local"))
}
"""The order of verdicts, the most urgent first."""
COLUMNS: Final = (
    "reference", "verdict", "reason", "running", "containers", "platform", "image_id",
    "local_digests", "remote_digest", "checked_at", "error",
)  # fmt: skip
BRIEF: Final = ("reference", "verdict", "reason", "running", "error")


@click.command()
@shown(limited=False)
@click.argument("images", nargs=-1, metavar="[IMAGE]...")
def scan(images: tuple[str, ...], output: Output) -> None:
    """Judge the images of this host now.

    Asks the registries directly; where NATS_URL is set, a fleet's resolvers first. With IMAGE,
    only these. Exit code 1 when something is outdated, else 2 when it could not be told for at
    least one image, else 3 when a tag is missing, else 0. What the host does not report in full is
    counted on standard error.
    """
    if output.form == "sql":
        raise BadUsage("imagedrift scan asks no database: it has no -o sql")
    try:
        findings, skipped = asyncio.run(_scan(images))
    except SettingsFault as fault:
        raise BadUsage(str(fault)) from fault
    except SourceFault as fault:
        raise Unusable(_no_images(fault, settings.load(AgentSettings))) from fault
    except NoBus as fault:
        raise Unusable(f"NATS_URL: {fault}; unset it to ask the registries alone") from fault
    for reason, count in sorted(skipped.items()):
        click.echo(listing.noted(f"not reported in full: {count} ({reason})"), err=True)
    _show(findings, output)
    sys.exit(exit_code(finding.verdict.verdict for finding in findings))


def exit_code(verdicts: Any) -> int:
    """Say it in one number: 1 outdated, 2 could not tell, 3 missing, 0 none of these."""
    found = set(verdicts)
    codes = {"outdated": 1, "unknown": 2, "missing": 3}
    return next((code for verdict, code in codes.items() if verdict in found), 0)


async def _scan(wanted: Sequence[str]) -> tuple[list[ScanFinding], Mapping[str, int]]:
    agent, asking = settings.load(AgentSettings), settings.load(ResolverSettings)
    known = operator_file.load(asking.registries)
    names = _canonical(wanted)
    inventory = await take_inventory(agent, _tell)
    images = _only(inventory.images, names)
    references = {image.reference for image in images}
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("asking registries", total=len(references))
        async with (
            resolver(
                known, docker_credentials(asking, clock.SystemClock()), proxies_of(asking)
            ) as direct,
            preferring_shared(settings.load(SharedSettings), direct) as asks,
        ):
            findings = await judged(
                images,
                asks,
                now=clock.now(),
                is_named=known.is_named,
                done=lambda: progress.advance(task),
            )
            return findings, inventory.skipped


def _no_images(fault: SourceFault, agent: AgentSettings) -> str:
    """Say where no images could be read, and which setting names that place."""
    if agent.source != "engine":
        return f"no images of {agent.source} (IMAGEDRIFT_SOURCE): {fault}"
    return f"no engine to ask (DOCKER_HOST names one): {fault}"


def _tell(path: Path, reason: str) -> None:
    """Tell which entry of a file is passed over, and why."""
    click.echo(listing.noted(f"{path}: {reason}"), err=True)


def _canonical(wanted: Sequence[str]) -> Mapping[str, str]:
    """Map each name as it was typed to its canonical form. Raises `Unusable`."""
    try:
        return {text: ImageReference.parse(text).canonical for text in wanted}
    except BadReference as error:
        raise BadUsage(str(error)) from error


def _only(images: Sequence[LocalImage], names: Mapping[str, str]) -> list[LocalImage]:
    """Keep the images that were named, if any. Raises `Unusable` for one that is not here."""
    if not names:
        return list(images)
    here = {image.reference for image in images}
    absent = [text for text, canonical in names.items() if canonical not in here]
    if absent:
        raise NotFound("image on this host", ", ".join(absent), here)
    return [image for image in images if image.reference in names.values()]


def _show(findings: Sequence[ScanFinding], output: Output) -> None:
    """Print the verdicts, outdated images first."""
    rows = sorted(map(_row, findings), key=lambda row: (RANKS[row["verdict"]], row["reference"]))
    seen = display.current()
    text = forms.render(rows, output.form, seen, columns=COLUMNS, brief=BRIEF, header=output.header)
    listing.write(text, seen)
    if seen.is_terminal and output.form in ("table", "wide"):
        verdicts = Counter(str(row["verdict"]) for row in rows)
        told = ", ".join(f"{verdicts[each]} {each}" for each in RANKS if verdicts[each])
        click.echo(f"{listing.counted(len(rows), 'images')}: {told or 'none'}", err=True)


def _row(finding: ScanFinding) -> dict[str, Any]:
    answer = finding.answer
    return {
        "reference": finding.image.reference,
        "verdict": finding.verdict.verdict,
        "reason": finding.verdict.reason,
        "running": finding.image.running,
        "containers": list(finding.image.containers),
        "platform": finding.image.platform,
        "image_id": finding.image.image_id,
        "local_digests": list(finding.image.repo_digests),
        "remote_digest": answer.last_digest or None if answer else None,
        "checked_at": answer.checked_at if answer else None,
        "error": finding.verdict.error or None,
    }
