"""The package that everybody shares stays light and pure."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.samples import ROOT

SOURCES = sorted((ROOT / "schemas" / "src" / "imagedrift_schemas").glob("*.py"))
IMPURE = {"asyncio", "logging", "os", "random", "socket", "subprocess", "threading", "time"}


def imports_of(source: Path) -> Iterator[str]:
    """Name the top-level package of everything that a file imports."""
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (alias.name.split(".")[0] for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.split(".")[0]
            case ast.ImportFrom():
                yield "a relative import"
            case _:
                continue


def test_msgspec_is_the_only_dependency() -> None:
    """A program that speaks with us installs nothing else."""
    project = tomllib.loads((ROOT / "schemas" / "pyproject.toml").read_text("utf-8"))["project"]

    assert [name.split(">")[0] for name in project["dependencies"]] == ["msgspec"]
    assert "optional-dependencies" not in project


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_source_imports_nothing_but_that(source: Path) -> None:
    """Nothing of the services, and no package that happens to be installed beside it."""
    allowed = sys.stdlib_module_names | {"msgspec", "imagedrift_schemas"}

    assert set(imports_of(source)) <= allowed


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_source_needs_no_clock_environment_or_log(source: Path) -> None:
    """A message depends on nothing but its values."""
    assert not IMPURE & set(imports_of(source))
