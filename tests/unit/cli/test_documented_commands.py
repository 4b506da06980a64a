"""Pages tell to type what there is: commands, their options, targets of make."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from imagedrift_cli import up_home
from imagedrift_cli.__main__ import main
from imagedrift_cli.demo import catalogue
from imagedrift_sandbox.registry.server import SandboxRegistry
from support.deploy import ROOT

GENERATED = ROOT / "docs" / "cli.md"
"""It is made from the commands, and has wrong ones."""
PAGES = sorted(
    {*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "docker-compose.yml"} - {GENERATED}
)
CODE = re.compile(r"^```\w*\n(.*?)^```$|`([^`]+)`", re.MULTILINE | re.DOTALL)
TYPED = re.compile(r"(?:(?<![\w./-])(?:\S*/)?imagedrift|run --rm \w+) ([a-z][a-z-]*)(.*)")
OTHERS = ("psql", "pg_dump", "pg_restore")
"""Programs whose arguments have the name of the database."""


class Typed(NamedTuple):
    """A command as a page has it."""

    page: str
    name: str
    options: tuple[str, ...]


def typed(page: Path) -> Iterator[Typed]:
    """Every call of `imagedrift` in the code of a page."""
    text = page.read_text()
    codes = [block or inline for block, inline in CODE.findall(text)]
    codes = codes if page.suffix == ".md" else [text.replace("`", "")]
    for line in (line for code in codes for line in code.splitlines()):
        found = TYPED.search(line)
        if found and not any(name in line for name in OTHERS):
            options = re.findall(r"(?<!\S)\[?(--?[a-z][a-z-]*)", found[2])
            yield Typed(page.name, found[1], tuple(options))


ALL = sorted({each for page in PAGES for each in typed(page)})


def test_the_pages_have_commands() -> None:
    """The next test has something to check."""
    assert {each.page for each in ALL} >= {"README.md", "deployment.md", "docker-compose.yml"}
    assert {each.name for each in ALL} >= {"demo", "up", "outdated", "migrate", "bench"}


@pytest.mark.parametrize("each", ALL, ids=lambda each: f"{each.page}: {each.name}")
def test_a_documented_command_and_its_options_are_there(each: Typed) -> None:
    """Each command of a page is one of `imagedrift`, and takes the options that it has there."""
    command = main.get_command(click.Context(main), each.name)
    assert command, each.name
    known = {"--help"} | {name for one in command.params for name in one.opts}
    if isinstance(command, click.Group):  # its own commands have the options
        return
    assert set(each.options) <= known


def test_a_documented_target_of_make_is_there() -> None:
    """Each `make TARGET` of README and CONTRIBUTING is in the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    pages = "".join((ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md"))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", pages, re.MULTILINE))

    assert named >= {"demo", "test", "install", "clean"}
    assert named <= targets


def test_readme_counts_the_demonstration_as_it_is() -> None:
    """The images, references and questions that README.md names are those of 200 hosts."""
    products = catalogue.stock(SandboxRegistry())
    held = [each for _, each in catalogue.DemoFleet(200, products).rows()]
    references = {each.image.reference for each in held}
    asked = {c.image.reference for p in products if p.asked for c in p.choices} & references
    told = (
        f"The 200 hosts have {len(held):,} images with {len(references)} distinct references. They"
        f" cost the registry {len(asked)} HEAD requests"
    )

    assert told in " ".join((ROOT / "README.md").read_text().split())


def test_readme_names_the_folder_that_up_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """`up` keeps its data where README.md says that it can be removed."""
    readme = (ROOT / "README.md").read_text()
    folders = []
    for user in (0, 1000):
        monkeypatch.setattr("os.geteuid", lambda user=user: user)
        folders.append(str(up_home.default_home("~", "")))

    assert folders == ["/var/lib/imagedrift/up", "~/.local/share/imagedrift"]
    assert all(folder in readme for folder in folders)


def test_readme_names_the_python_that_the_members_need() -> None:
    """README.md and every member name the same oldest Python."""
    for project in [*ROOT.glob("*/pyproject.toml"), *ROOT.glob("services/*/pyproject.toml")]:
        assert 'requires-python = ">=3.11"' in project.read_text(), project
    assert "Python ≥ 3.11" in (ROOT / "README.md").read_text()
