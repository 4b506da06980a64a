"""Bodies of an engine's answers: nulls, wrong types, and elements that make no sense."""

import pytest

from imagedrift_agent.core.decoding import NONSENSE, read, read_list
from imagedrift_agent.core.records import Container, Info


def test_a_null_is_a_missing_field() -> None:
    """Wherever it stands, and whatever the field is."""
    body = b'{"Name": null, "Labels": ["a=1", null], "DriverStatus": null, "OSType": "linux"}'

    assert read(body, Info) == Info(labels=["a=1"], os_type="linux")


@pytest.mark.parametrize("body", [b"", b"{", b"7", b'{"Name": 7}', b"\xff", b"[" * 100_000])
def test_a_body_that_makes_no_sense_is_nonsense(body: bytes) -> None:
    """Each kind of it raises one of `NONSENSE`."""
    with pytest.raises(NONSENSE):
        read(body, Info)


def test_a_list_may_be_null() -> None:
    """Old engines say null for an empty list."""
    assert read_list(b"null", Container) == ([], [])


def test_an_element_that_makes_no_sense_costs_itself_alone() -> None:
    """An unreadable element is told by its id, or by an empty text where that cannot be read."""
    body = b'[{"Id": "a"}, {"Id": "b", "Labels": []}, {"Id": 7}, "x", {"Id": "c", "Names": null}]'

    understood, odd = read_list(body, Container)

    assert [each.id for each in understood] == ["a", "c"]
    assert odd == ["b", "", ""]


@pytest.mark.parametrize("body", [b"{}", b"7", b'"text"', b"["])
def test_what_is_no_list_is_nonsense(body: bytes) -> None:
    """A body that is no list is a fault of the call, and not of an element."""
    with pytest.raises(NONSENSE):
        read_list(body, Container)
