"""The version of the engine's API that is spoken, and what can be asked in it."""

import pytest

from imagedrift_agent.core import api_version
from imagedrift_agent.core.records import EngineVersion


def engine(version: str) -> EngineVersion:
    """An engine that speaks up to this version."""
    return EngineVersion(api_version=version)


@pytest.mark.parametrize(
    ("newest", "spoken"),
    [
        ("1.24", "v1.24"),
        ("1.54", "v1.54"),
        ("1.99", "v1.54"),
        ("2.0", "v1.54"),
        ("", ""),
        ("1", ""),
        ("1.x", ""),
    ],
)
def test_the_newest_version_that_both_sides_know_is_spoken(newest: str, spoken: str) -> None:
    """An engine that does not say is spoken to without a version."""
    assert api_version.spoken_with(engine(newest)) == spoken


@pytest.mark.parametrize(
    ("newest", "lists", "needs_list", "details", "origins"),
    [
        ("1.46", False, False, False, False),
        ("1.47", True, True, False, False),
        ("1.48", True, True, True, False),
        ("1.49", True, False, True, False),
        ("1.53", True, False, True, True),
        ("", False, False, False, False),
    ],
)
def test_what_can_be_asked_depends_on_the_version(
    newest: str, lists: bool, needs_list: bool, details: bool, origins: bool
) -> None:
    """Manifests come in the list first, then in details, then with the container."""
    version = engine(newest)

    assert api_version.can_list_manifests(version) is lists
    assert api_version.needs_listed_manifests(version) is needs_list
    assert api_version.wants_manifests(version) is details
    assert api_version.tells_origins(version) is origins
