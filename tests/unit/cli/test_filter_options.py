"""The options of filters: nothing that is typed goes unheard."""

import pytest
from click.testing import CliRunner

from imagedrift_cli.__main__ import main
from support.statements import statement


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


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["outdated", ""], "TEXT is empty"),
        (["outdated", "--site", ""], "--site is empty"),
        (["outdated", "--registry", ""], "--registry is empty"),
        (["dead-letters", "--drop", ""], "--drop is empty"),
        (["due", "--place", ""], "--place is empty"),
        (["hosts", "--place", "/"], "--place is empty"),
        (["plan", "--due", "--site", ""], "--site is empty"),
        (["plan", "--due", "--label", ""], "--label is empty"),
        (["decide", "nginx", "pin", "--place", ""], "--place is empty"),
        (["forget", "web-1", "--site", ""], "--site is empty"),
    ],
)
def test_a_variable_that_is_not_set_is_no_filter(arguments: list[str], told: str) -> None:
    """An empty value is refused, as it would let everything pass."""
    result = CliRunner().invoke(main, arguments)

    assert result.exit_code == 64
    assert told in result.stderr


@pytest.mark.parametrize("command", ["decide nginx pin", "forget web-1"])
def test_of_two_values_none_is_dropped(command: str) -> None:
    """An option that can be one thing refuses two."""
    result = CliRunner().invoke(main, [*command.split(), "--site", "a", "--site", "b"])

    assert result.exit_code == 64
    assert "--site is given 2 times: it can be one" in result.stderr


def test_one_of_several_places_has_to_hold() -> None:
    """A slash at its end, as shells add it, is no part of a place."""
    told = statement("outdated", "--place", "dc1/", "--place", "dc2")

    assert "(place || '/') ^@ ANY (ARRAY['dc1/', 'dc2/']::text[])" in told
