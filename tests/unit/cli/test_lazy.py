"""Commands that are loaded when they are used."""

import subprocess
import sys

import click

from imagedrift_cli.__main__ import main

HEAVY = ("asyncio", "asyncpg", "nats", "aiohttp", "httpx", "rich", "structlog")


def test_help_loads_no_command() -> None:
    """The list of commands loads no command's modules."""
    told = f"""
import sys
from imagedrift_cli.__main__ import main
try:
    main(["--help"])
except SystemExit:
    print("loaded:", [name for name in {HEAVY!r} if name in sys.modules])
"""
    out = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)

    assert "bench" in out.stdout
    assert out.stdout.endswith("loaded: []\n")


def test_a_list_loads_no_console() -> None:
    """A command that prints rows loads of rich what measures a text, and nothing else."""
    told = """
import sys
from imagedrift_cli.__main__ import main
try:
    main(["outdated", "--sql"])
except SystemExit:
    print("loaded:", {"rich.console", "rich.text", "rich.traceback"} & set(sys.modules))
"""
    out = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)

    assert out.stdout.startswith("SELECT site")
    assert out.stdout.endswith("loaded: set()\n")


def test_names_are_completed_without_loading_a_command() -> None:
    """Completion offers command names without loading a command."""
    context = click.Context(main)
    assert [each.value for each in main.shell_complete(context, "outd")] == ["outdated"]
