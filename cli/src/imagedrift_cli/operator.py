"""The operator's commands: canned questions over `ops.*`, and the SQL behind each."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import click

from imagedrift_cli import database, queries, tables
from imagedrift_cli.tables import Form
from imagedrift_schemas.errors import BadReference
from imagedrift_schemas.reference import ImageReference

F = TypeVar("F", bound=Callable[..., Any])


def _forms(command: F) -> F:
    for option, value, text in (
        ("--sql", "sql", "Print the query instead of running it."),
        ("--csv", "csv", "Print CSV with a header."),
        ("--json", "json", "Print a JSON array of objects."),
    ):
        command = click.option(option, "form", flag_value=value, help=text)(command)
    return command


def _limited(command: F) -> F:
    return click.option(
        "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="Rows at most."
    )(command)


@click.command()
@_forms
def status(form: str | None) -> None:
    """How the fleet is: hosts, images and their verdicts."""
    _answer("status", {}, form, title="The fleet")


@click.command()
@click.option("--site", help="Only hosts of this site.")
@click.option("--registry", help="Only images of this registry, as docker.io.")
@click.option("--label", metavar="K=V", help="Only hosts with this label.")
@click.option("--running", is_flag=True, help="Only images that a running container uses.")
@_limited
@_forms
def outdated(
    site: str | None,
    registry: str | None,
    label: str | None,
    running: bool,
    limit: int,
    form: str | None,
) -> None:
    """Which hosts run an image that its registry has since replaced, longest first."""
    values = {
        "site": site,
        "registry": registry,
        "label": _label(label),
        "running": running,
        "limit": limit,
    }
    _answer("outdated", values, form, title="Outdated")


@click.command()
@click.argument("reference")
@click.option("--hosts", is_flag=True, help="List the hosts that have it.")
@_limited
@_forms
def image(reference: str, hosts: bool, limit: int, form: str | None) -> None:
    """One image reference: what it points to now, and how many hosts have what of it."""
    canonical = _canonical(reference)
    name = "image_hosts" if hosts else "image"
    _answer(name, {"reference": canonical, "limit": limit}, form, title=canonical)


@click.command()
@click.argument("name")
@_forms
def host(name: str, form: str | None) -> None:
    """Everything one host has; NAME is its host name or its id."""
    _answer("host", {"host": name}, form, title=name)


@click.command()
@_forms
def registries(form: str | None) -> None:
    """What each registry allows, what is left of it, and whether it is blocked."""
    _answer("registries", {}, form, title="Registries")


@click.command()
@_limited
@_forms
def errors(limit: int, form: str | None) -> None:
    """References whose last check failed, and why."""
    _answer("errors", {"limit": limit}, form, title="Failed lookups")


@click.command()
@click.argument("host_name", metavar="HOST")
@click.argument("reference", metavar="REF")
@_forms
def why(host_name: str, reference: str, form: str | None) -> None:
    """All that the verdict of image REF on HOST rests on."""
    canonical = _canonical(reference)
    _answer("why", {"host": host_name, "reference": canonical}, form, title=canonical)


IN_A_LINE: Final = {
    "outdated": ("hostname", "reference", "running", "reason", "outdated_for", "recreate_only"),
    "image_hosts": ("hostname", "verdict", "reason", "running", "verdict_since"),
    "host": ("reference", "verdict", "reason", "running", "verdict_since", "error"),
    "registries": ("registry", "credential", "rate_limit", "rate_remaining", "blocked_until"),
    "why": ("image_id", "verdict", "reason", "tagged", "running", "verdict_since", "error"),
    "errors": ("reference", "outcome", "failures", "hosts", "failing_since", "error"),
}
"""What a table for people shows of several rows; JSON and CSV give every column."""


def _answer(name: str, values: Mapping[str, object], form: str | None, *, title: str) -> None:
    if form == "sql":
        click.echo(queries.filled_in(queries.statements()[name], values))
        return
    found = asyncio.run(database.rows(database.database_url(), name, values))
    shown: Form = "json" if form == "json" else "csv" if form == "csv" else "table"
    if shown == "table" and len(found) > 1:
        found = [{column: row[column] for column in IN_A_LINE.get(name, row)} for row in found]
    tables.show(found, shown, title=title)


def _canonical(reference: str) -> str:
    try:
        return ImageReference.parse(reference).canonical
    except BadReference as error:
        raise database.Unusable(f"{reference}: {error}") from error


def _label(text: str | None) -> str | None:
    if text is None:
        return None
    key, mark, value = text.partition("=")
    if not mark:
        raise database.Unusable(f"--label {text}: expected K=V")
    return json.dumps({key: value})
