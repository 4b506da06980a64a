"""The result of a benchmark: a table or JSON, and an exit code."""

import json
from typing import Any

import click
import pytest
from click.testing import CliRunner

from imagedrift_bench import report

FIGURES: dict[str, float | int | str] = {"hosts": 3, "seconds": 1.23456, "words": "x"}


@click.command()
@report.count("--hosts", 5)
@report.count("--many", 20, least=10)
@click.option("--bad", multiple=True)
@report.as_json
def command(hosts: int, many: int, bad: tuple[str, ...], as_json: bool) -> None:
    """A benchmark."""
    report.finish("example", FIGURES | {"hosts": hosts}, as_json=as_json, failed_checks=bad)


def test_the_last_line_is_the_result_as_json() -> None:
    """Numbers are as they were measured."""
    result = CliRunner().invoke(command, ["--json", "--hosts", "3"])

    found: Any = json.loads(result.stdout.splitlines()[-1])
    assert (result.exit_code, found) == (0, FIGURES)


def test_a_table_rounds_what_it_shows() -> None:
    """A person compares three digits."""
    result = CliRunner().invoke(command, [])

    assert "1.235" in result.stdout
    assert "bench example" in result.stdout


def test_a_check_that_failed_ends_with_1() -> None:
    """The figures are shown all the same."""
    result = CliRunner().invoke(command, ["--json", "--bad", "rows were lost"])

    assert result.exit_code == 1
    assert json.loads(result.stdout.splitlines()[-1])


@pytest.mark.parametrize("hosts", ["0", "-1", "x"])
def test_a_count_is_at_least_one(hosts: str) -> None:
    """A fleet of none measures nothing."""
    assert CliRunner().invoke(command, ["--hosts", hosts]).exit_code == 2


@pytest.mark.parametrize(("many", "code"), [("10", 0), ("9", 2)])
def test_a_count_may_have_a_larger_least_one(many: str, code: int) -> None:
    """A fleet that is too small for a benchmark is refused before it starts."""
    assert CliRunner().invoke(command, ["--many", many]).exit_code == code
