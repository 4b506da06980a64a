"""The filters that every list understands, and their SQL."""

import pytest
from click.testing import CliRunner

from imagedrift_cli.__main__ import main
from imagedrift_cli.filters import CONDITIONS, OF_A_HOST, Filters, Scope, where

HOSTS = Scope(OF_A_HOST, "(site, host)", texts=("hostname",))
ALL = Filters(
    sites=("a", "b"),
    place="dc1",
    labels=(("env", "prod"),),
    registries=("r.io",),
    running=True,
    verdicts=("outdated",),
)


def test_without_a_filter_everything_passes() -> None:
    """There is no clause at all."""
    assert where(Filters(), Scope()) == ""
    assert Filters().kinds == []


def test_a_list_filters_its_own_columns() -> None:
    """Each filter that is set is one condition, beside those that always hold."""
    clause = where(ALL, Scope(), "silent")

    assert clause.startswith("WHERE silent\n  AND ")
    assert all(condition in clause for condition in CONDITIONS.values())
    assert "SELECT" not in clause


def test_a_filter_of_another_table_asks_for_a_key_there() -> None:
    """All filters hold for one and the same row there."""
    clause = where(Filters(sites=("a",), running=True), HOSTS)

    assert "(site, host) IN (\n    SELECT site, host\n    FROM ops.comparisons" in clause
    inside = clause.partition("IN (")[2]
    assert CONDITIONS["site"] in inside
    assert CONDITIONS["running"] in inside


def test_texts_add_up_and_are_looked_for_in_each_column() -> None:
    """However many there are, each has a parameter of its own."""
    texts = tuple(f"t{number}" for number in range(28))
    filters = Filters(texts=texts)

    clause = where(filters, Scope(texts=("reference", "host")))

    assert clause.count("strpos(lower(reference)") == clause.count("strpos(lower(host)") == 28
    assert {filters.values[f"text_{name}"] for name in ("a", "z", "aa", "bb")} == {
        "t0",
        "t25",
        "t26",
        "t27",
    }


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (["env"], "env is not K=V"),
        (["=prod"], "=prod is not K=V"),
        (["env=a", "env=b"], "env cannot be both a and b"),
    ],
)
def test_a_label_is_a_key_and_a_value(labels: list[str], told: str) -> None:
    """One key has one value."""
    options = [word for label in labels for word in ("--label", label)]

    result = CliRunner().invoke(main, ["outdated", *options, "--sql"])

    assert result.exit_code == 64
    assert told in result.output
