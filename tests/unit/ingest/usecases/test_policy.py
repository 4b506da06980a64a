"""A registries.toml that changed is applied to what is stored."""

import asyncio
from collections.abc import Callable

from imagedrift_ingest.usecases.policy import FollowRegistries


class Registries:
    """A file that names one registry, or none."""

    def __init__(self) -> None:
        self.version = "1"
        self.named = ""
        self.content = ("1", "")
        self.was_asked: list[bool] = []

    def is_named(self, registry: str) -> bool:
        """Tell whether it is the one."""
        return registry == self.named

    def renew(self, *, anyway: bool = False) -> bool:
        """Read the file."""
        self.was_asked.append(anyway)
        self.version, self.named = self.content
        return True


class Verdicts:
    """Keeps whether `corp` was named, each time a policy is applied."""

    def __init__(self) -> None:
        self.applied: list[bool] = []
        self.judged = 0

    async def apply_policy(self, is_named: Callable[[str], bool]) -> int:
        """Keep it."""
        self.applied.append(is_named("corp"))
        return 0

    async def judge_again(self) -> int:
        """Count it."""
        self.judged += 1
        return 0


async def test_the_file_is_applied_at_the_start_and_when_it_changes() -> None:
    """registries.toml is applied at the start and after a change."""
    registries, verdicts = Registries(), Verdicts()
    reload, plan_now, looks = asyncio.Event(), asyncio.Event(), 0

    async def look() -> None:
        nonlocal looks
        assert not plan_now.is_set()
        looks += 1

    follow = FollowRegistries(registries, verdicts, look, reload, plan_now)
    await follow.apply()
    assert (verdicts.applied, verdicts.judged, looks) == ([False], 1, 0)

    await follow.run()
    assert (verdicts.applied, plan_now.is_set()) == ([False], False)

    registries.content = ("2", "corp")
    reload.set()
    await follow.run()
    assert (verdicts.applied, verdicts.judged, looks) == ([False, True], 1, 1)
    assert plan_now.is_set()
    assert registries.was_asked == [False, True]
    assert not reload.is_set()
