"""A text narrows a list to the hosts or references that have it."""

from typing import Any

from imagedrift_cli.narrowing import BY_HOST, BY_REFERENCE, MOST, chosen

HOST: dict[str, Any] = {"site": "fra1", "host": "web-1"}
REFERENCE: dict[str, Any] = {"reference": "docker.io/library/nginx:1.27"}


def test_a_text_that_is_in_no_reference_means_hosts() -> None:
    """Images of the hosts found are read by an index, and of no host where none has the text."""
    found = chosen([HOST], [])

    assert found.condition == BY_HOST
    assert found.values == {"text_sites": ["fra1"], "text_hosts": ["web-1"]}
    assert chosen([], []).values == {"text_sites": [], "text_hosts": []}


def test_a_text_that_is_in_no_host_means_references() -> None:
    """As in the name of an image."""
    found = chosen([], [REFERENCE])

    assert found.condition == BY_REFERENCE
    assert found.values == {"text_references": [REFERENCE["reference"]]}


def test_a_text_that_is_in_both_or_in_many_narrows_nothing() -> None:
    """A text of many matches is searched for among all."""
    assert chosen([HOST], [REFERENCE]).condition == ""
    assert chosen([HOST] * (MOST + 1), []).condition == ""
    assert chosen([], [REFERENCE] * (MOST + 1)).condition == ""
