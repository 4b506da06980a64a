"""Routes that do not wait for each other."""

import asyncio

import pytest

from imagedrift_notifier.core.route import MessageRoute
from imagedrift_notifier.errors import DatabaseUnreachable
from imagedrift_notifier.usecases import route_tasks
from imagedrift_notifier.usecases.route_tasks import RouteTasks
from support.notifier import route


@pytest.fixture(autouse=True)
def _waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run does not wait for tasks that take long."""
    monkeypatch.setattr(route_tasks, "WAITS_S", 0.01)


async def test_a_route_that_takes_long_holds_up_no_other_and_is_begun_once() -> None:
    """The work of other routes is begun again while one route has a task."""
    may_end = asyncio.Event()
    begun: list[str] = []

    async def work(of: MessageRoute) -> None:
        begun.append(of.name)
        if of.name == "slow":
            await may_end.wait()

    async with asyncio.TaskGroup() as tasks:
        made = RouteTasks(tasks, work)
        await made.run([route("slow"), route("quick")])
        await made.run([route("slow"), route("quick")])
        may_end.set()
        assert begun == ["slow", "quick", "quick"]


async def test_a_failure_of_one_route_is_raised_and_ends_no_other() -> None:
    """The run tells the failure, and the next one begins the route again."""
    begun: list[str] = []

    async def work(of: MessageRoute) -> None:
        begun.append(of.name)
        if of.name == "bad" and begun.count("bad") == 1:
            raise DatabaseUnreachable("it is away")

    async with asyncio.TaskGroup() as tasks:
        made = RouteTasks(tasks, work)
        with pytest.raises(DatabaseUnreachable, match="it is away"):
            await made.run([route("bad"), route("good")])
        await made.run([route("bad")])

    assert begun == ["bad", "good", "bad"]
