"""The demonstration's acts: a check that does not hold is collected."""

import io
from collections.abc import Sequence
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress

from imagedrift_cli.database import Reader
from imagedrift_cli.demo import catalogue, scenario
from imagedrift_cli.demo.scenario import OUTDATED, Scenario
from imagedrift_sandbox.registry import SandboxRegistry

Row = dict[str, Any]
REGISTRY = SandboxRegistry()
STAR = REGISTRY.reference(catalogue.STAR, catalogue.TAG)


class FixedReader(Reader):
    """A database that answers with what a test gives."""

    def __init__(self, **answers: Sequence[Row]) -> None:
        self._answers = answers

    async def ask(self, sql: str, *arguments: object) -> list[Row]:
        """Answer by the kind of the statement."""
        if sql == OUTDATED:
            return [{"reference": "a"}, {"reference": "b"}]
        if "ops.due" in sql:
            return list(self._answers["behind" if "newest" in sql else "due"])
        return list(self._answers.get("image", ()))


def told_to(reader: Reader) -> tuple[Scenario, io.StringIO]:
    """A scenario, and what it prints."""
    shown = io.StringIO()
    return Scenario(reader, REGISTRY, Console(file=shown, width=100), 60), shown


def states(**of: str) -> list[Row]:
    """Rows of what is due, by reference."""
    named = {"moved": STAR}
    return [{"state": state, "reference": named.get(name, name)} for name, state in of.items()]


@pytest.mark.parametrize(
    ("due", "failed"),
    [
        (states(moved="wait", a="skip", b="due"), []),
        (states(moved="wait", a="due", b="due"), ["what is due is not what was decided"]),
    ],
)
async def test_what_was_decided_is_checked(due: list[Row], failed: list[str]) -> None:
    """Each statement is printed as it is run."""
    act, shown = told_to(FixedReader(due=due))

    await act.what_is_due_is_told()

    assert act.failed == failed
    assert "ops.decide" in shown.getvalue()


NEWER = [{"newest_patch": catalogue.NEWER[0], "newest_minor": catalogue.NEWER[1]}]
BEHIND = [{"newest": tag, "images": 3} for tag in catalogue.NEWER]
NOT_DUE = "the newer versions are not due on every host"


@pytest.mark.parametrize(
    ("behind", "failed"),
    [
        (BEHIND, []),
        ([BEHIND[0], BEHIND[1] | {"images": 2}], [NOT_DUE]),
        (BEHIND[:1], [NOT_DUE]),
        ([], [NOT_DUE]),
    ],
)
async def test_a_newer_version_has_to_be_due_on_every_host(
    behind: list[Row], failed: list[str]
) -> None:
    """After it is asked for, by a statement that is printed."""
    act, shown = told_to(FixedReader(image=NEWER, behind=behind))

    with Progress(console=Console(file=io.StringIO())) as progress:
        await act.newer_versions_are_told(3, progress)

    assert act.failed == failed
    assert "'within'" in shown.getvalue()


async def test_a_newer_version_that_is_not_told_is_a_failed_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A failed check says how long the version was waited for."""
    monkeypatch.setattr(scenario, "LISTED_WITHIN_S", 0.0)
    act, _ = told_to(FixedReader(image=NEWER, behind=BEHIND))

    with Progress(console=Console(file=io.StringIO())) as progress:
        await act.newer_versions_are_told(3, progress)

    assert act.failed == ["no newer version was told within 0 s"]


async def test_a_tag_that_does_not_flip_every_host_is_a_failed_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A failed check says how many hosts there are, and how long they had."""
    monkeypatch.setattr(scenario, "FLIPPED_WITHIN_S", 0.0)
    act, _ = told_to(FixedReader(image=[{"outdated_hosts": 2, "remote_digest": "x"}]))

    with Progress(console=Console(file=io.StringIO())) as progress:
        await act.a_tag_moves(3, progress)

    assert act.failed == ["not all 3 hosts flipped within 0 s"]
