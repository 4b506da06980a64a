"""Asking before something is done that cannot be taken back."""

import sys

import click

from imagedrift_cli.failures import BadUsage


def confirm(question: str, command: str) -> None:
    """Go on if a person says yes. Raises `Abort`, and `BadUsage` where no person can answer."""
    try:
        click.confirm(question, abort=True, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        click.echo(err=True)  # ends the line of the question
        raise BadUsage(
            f"imagedrift {command}: not confirmed: --yes does it without asking"
        ) from None
