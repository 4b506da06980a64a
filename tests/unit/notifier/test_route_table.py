"""The keys of a route: each is told how to be written, and no fault repeats a value."""

import msgspec
import pytest

from imagedrift_notifier.core.route_table import WANTED, RouteTable, table_faults

GOOD = {"apprise_file": "/run/secrets/chat"}


def test_each_key_says_how_it_is_written() -> None:
    """No key of a table is without its example."""
    assert [*WANTED] == [field.name for field in msgspec.structs.fields(RouteTable)]


@pytest.mark.parametrize("key", WANTED)
@pytest.mark.parametrize("value", [3, "", [], {}, ["s3cr3t", 3], {"s3cr3t": 3}])
def test_a_value_of_another_kind_is_told_what_to_write(key: str, value: object) -> None:
    """A value of no use gives one fault of its key, which does not repeat it."""
    faults = [*table_faults({**GOOD, key: value})]

    if (key, value) in (("verdict", []), ("quiet", [])):
        assert faults == []
        return
    assert faults[0][0] == key
    assert faults[0][1].startswith(WANTED[key])
    assert "s3cr3t" not in faults[0][1]


@pytest.mark.parametrize("key", ["site", "place", "label", "registry"])
def test_an_empty_filter_is_a_fault(key: str) -> None:
    """A list that names nobody may be a slip, and would tell of everybody."""
    empty: object = {} if key == "label" else []

    assert [*table_faults({**GOOD, key: empty})] == [(key, WANTED[key])]
    assert [*table_faults(GOOD)] == []


def test_a_secret_in_place_of_its_file_is_told_and_not_repeated() -> None:
    """An address or a key where a path belongs is found before the file is looked for."""
    faults = [*table_faults({"webhook_file": "https://s3cr3t", "secret_file": "whsec_s3cr3t"})]

    assert [key for key, _ in faults] == ["webhook_file", "secret_file"]
    for _, told in faults:
        assert told.startswith(
            "a secret has no place here, but in a file of its own: write the path"
        )
        assert "s3cr3t" not in told


def test_a_key_of_another_type_hides_no_other_fault() -> None:
    """One start tells what is wrong with a value beside what is wrong with its type."""
    faults = dict(table_faults({"apprise_file": "/c", "page": 1, "zone": "Mars", "quiet": ["9"]}))

    assert faults.keys() == {"page", "zone", "quiet"}


def test_a_wrong_channel_is_one_fault() -> None:
    """A slip in the key of the channel does not also say that there is no channel."""
    faults = dict(table_faults({"apprise_file": 7, "zone": "Mars"}))

    assert faults.keys() == {"apprise_file", "zone"}
