"""Registries that do not answer hold few slots of the lane that they share (P6)."""

import asyncio
import itertools

import pytest

from imagedrift_resolver.bulkhead import SHARE, SILENT_S, SOON_S, Bulkhead, LaneCrowded
from support.virtual_time import VirtualClock, stand_still

pytestmark = pytest.mark.virtual_time

SLOTS = 64
SLOTS_OF_ALL = SLOTS // SHARE
LINE = SLOTS_OF_ALL


class Registry:
    """A registry that hangs until it is told to answer."""

    numbers = itertools.count()

    def __init__(self, *, answers: bool = False) -> None:
        self.registry = f"registry{next(self.numbers)}.example"
        self.answers = answers
        self.asked = 0
        self.may_answer = asyncio.Event()
        if answers:
            self.may_answer.set()

    def is_answering(self) -> bool:
        """Tell whether it does."""
        return self.answers

    def be_well(self) -> None:
        """Answer from now on."""
        self.answers = True
        self.may_answer.set()

    async def ask(self) -> str:
        """Wait for its answer."""
        self.asked += 1
        await self.may_answer.wait()
        return "answer"


async def ask(lane: Bulkhead, registry: Registry, hosts: int = 1) -> str:
    """Ask a registry, for so many hosts. Returns its answer, or when the question comes again."""
    try:
        async with lane.slot(registry, hosts=hosts):
            return await registry.ask()
    except LaneCrowded as crowded:
        return f"again in {crowded.wait_s:g} s"


def begin(lane: Bulkhead, registry: Registry, hosts: int = 1) -> "asyncio.Task[str]":
    """Begin to ask a registry."""
    return asyncio.create_task(ask(lane, registry, hosts))


def is_put_off(task: "asyncio.Task[str]") -> bool:
    """Tell whether a question comes again."""
    return task.result().startswith("again in ")


async def let_tasks_run() -> None:
    """Let everything that can run do so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def end(*tasks: "asyncio.Task[str]") -> None:
    """Stop waiting."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def silence() -> None:
    """Wait until a silence counts."""
    await asyncio.sleep(1.3 * SILENT_S)


async def use_up_patience() -> None:
    """Wait until the patience that has grown since it was used up has gone again."""
    await asyncio.sleep(0.035 * SILENT_S)


async def test_registries_that_hang_hold_a_small_share() -> None:
    """Eighty hanging registries hold the slots of their share, and a healthy one is asked."""
    lane = Bulkhead(SLOTS, VirtualClock())
    hanging = [Registry() for _ in range(80)]
    asking = [begin(lane, each) for each in hanging]
    await let_tasks_run()
    assert sum(each.asked for each in hanging) == SLOTS_OF_ALL
    assert await ask(lane, Registry(answers=True)) == "answer"
    assert not any(task.done() for task in asking)
    await end(*asking)


async def test_a_new_registry_gets_the_slot_of_one_that_stays_silent() -> None:
    """A new registry gets the slot of one that stays silent."""
    lane = Bulkhead(SLOTS, VirtualClock())
    hanging = [begin(lane, Registry()) for _ in range(SLOTS_OF_ALL)]
    await let_tasks_run()
    new = Registry()
    new.may_answer.set()
    asking = begin(lane, new)
    assert await asking == "answer"
    await silence()
    ended = [task.done() for task in hanging]
    assert ended == [False] * (SLOTS_OF_ALL - 1) + [True]
    assert is_put_off(hanging[-1])
    await end(*hanging)


async def test_a_question_keeps_its_slot_while_the_resolver_itself_stands_still() -> None:
    """A response that came meanwhile is read first, also where the loop is late all the time."""
    lane = Bulkhead(SLOTS, VirtualClock())
    slow = [Registry() for _ in range(SLOTS_OF_ALL)]
    asking = [begin(lane, each) for each in slow]
    await let_tasks_run()
    waiting = [begin(lane, Registry()) for _ in range(LINE)]
    for late_s in (5, 0.3, 0.3, 0.3, 0.3, 0.3):
        await asyncio.sleep(0.2)
        stand_still(late_s)
        await let_tasks_run()
        assert not any(task.done() for task in asking)
    for each in slow:
        each.be_well()
    assert await asyncio.gather(*asking) == ["answer"] * SLOTS_OF_ALL
    await end(*waiting)


async def test_the_older_half_of_those_that_hang_runs_on() -> None:
    """The older half of the silent requests is left to run."""
    lane = Bulkhead(SLOTS, VirtualClock())
    hanging = [begin(lane, Registry()) for _ in range(SLOTS_OF_ALL)]
    await let_tasks_run()
    asking = [begin(lane, Registry()) for _ in range(LINE)]
    await silence()
    half = SLOTS_OF_ALL // 2
    assert [task.done() for task in hanging] == [False] * half + [True] * half
    await end(*hanging, *asking)


async def test_a_lane_is_full_of_waiting_questions_for_a_moment_only() -> None:
    """Questions beyond the queue of a full lane are put off without a wait."""
    lane = Bulkhead(SLOTS, VirtualClock())
    first = [begin(lane, Registry()) for _ in range(SLOTS)]
    await let_tasks_run()
    assert not any(task.done() for task in first)
    await silence()
    asking = [begin(lane, Registry()) for _ in range(LINE)]
    await use_up_patience()
    late = [begin(lane, Registry()) for _ in range(SLOTS)]
    await let_tasks_run()
    assert all(is_put_off(task) for task in late)
    await end(*first, *asking)


async def test_a_registry_of_several_hosts_is_before_those_that_one_host_made_up() -> None:
    """A registry of several hosts comes before those of one host."""
    lane = Bulkhead(SLOTS, VirtualClock())
    asking = [begin(lane, Registry()) for _ in range(SLOTS)]
    await silence()
    asking += [begin(lane, Registry()) for _ in range(LINE)]
    await let_tasks_run()
    wanted = Registry()
    waiting = begin(lane, wanted, hosts=2)
    await let_tasks_run()
    assert not waiting.done()
    await silence()
    assert wanted.asked == 1
    await end(*asking, waiting)


async def test_a_registry_that_was_put_off_is_before_new_ones_when_it_comes_again() -> None:
    """A registry that was put off comes before new ones."""
    lane = Bulkhead(SLOTS, VirtualClock())
    asking = [begin(lane, Registry()) for _ in range(SLOTS)]
    await silence()
    asking += [begin(lane, Registry()) for _ in range(LINE)]
    await let_tasks_run()
    unlucky = Registry()
    assert await begin(lane, unlucky) == f"again in {SOON_S:g} s"
    again = begin(lane, unlucky)
    await let_tasks_run()
    assert not again.done()
    await silence()
    assert unlucky.asked == 1
    await end(*asking, again)


async def test_one_registry_that_hangs_does_not_take_the_share_of_all() -> None:
    """A hundred questions to one hanging registry hold one slot."""
    lane = Bulkhead(SLOTS, VirtualClock())
    bad = Registry()
    asking = [begin(lane, bad) for _ in range(100)]
    await let_tasks_run()
    assert bad.asked == 1
    unknown = Registry()
    asking.append(begin(lane, unknown))
    await let_tasks_run()
    assert unknown.asked == 1
    await end(*asking)


async def test_all_pass_once_a_registry_has_answered() -> None:
    """The first answer of a registry admits all its waiting questions, in order."""
    lane = Bulkhead(SLOTS, VirtualClock())
    good = Registry()
    asking = [begin(lane, good) for _ in range(60)]
    await let_tasks_run()
    assert good.asked == 1
    good.be_well()
    assert await asyncio.gather(*asking) == ["answer"] * 60


async def test_the_first_questions_of_a_registry_wait_for_its_answer_whoever_else_hangs() -> None:
    """The first questions of a new registry wait for its answer while others hang."""
    lane = Bulkhead(SLOTS, VirtualClock())
    hanging = begin(lane, Registry())
    await let_tasks_run()
    await silence()
    new = Registry()
    asking = [begin(lane, new) for _ in range(SLOTS_OF_ALL)]
    await let_tasks_run()
    assert new.asked == 1
    assert not any(task.done() for task in asking)
    new.be_well()
    assert await asyncio.gather(*asking) == ["answer"] * (SLOTS_OF_ALL)
    await end(hanging)


async def test_questions_that_wait_for_their_own_registry_leave_the_lane_room() -> None:
    """Registries that hang one after another leave the lane room."""
    lane = Bulkhead(SLOTS, VirtualClock())
    bad = Registry()
    hanging = [begin(lane, bad) for _ in range(SLOTS)]
    await silence()
    for another in (Registry(), Registry(), Registry()):
        hanging += [begin(lane, another) for _ in range(SLOTS)]
    await use_up_patience()
    running = 4
    assert sum(not task.done() for task in hanging) == running + LINE
    await end(*hanging)


async def test_a_question_that_was_put_off_comes_again_soon() -> None:
    """A question that was put off comes again soon, and later each time."""
    lane = Bulkhead(SLOTS, VirtualClock())
    slow = Registry()
    first, second = begin(lane, slow), begin(lane, slow)
    assert await second == f"again in {SOON_S:g} s"
    slow.be_well()
    assert await first == "answer"


async def test_registries_that_fall_silent_together_are_cut_down() -> None:
    """Questions beyond the share are given up, the newest first; the rest goes on."""
    lane = Bulkhead(SLOTS, VirtualClock())
    registry = Registry(answers=True)
    registry.may_answer.clear()
    asking = [begin(lane, registry) for _ in range(SLOTS)]
    await let_tasks_run()
    assert registry.asked == SLOTS
    registry.answers = False
    await silence()
    most = SLOTS_OF_ALL
    assert [task.done() for task in asking] == [False] * most + [True] * (SLOTS - most)
    assert all(is_put_off(task) for task in asking[most:])
    registry.be_well()
    assert await asyncio.gather(*asking[:most]) == ["answer"] * most


async def test_a_time_out_of_the_work_itself_is_not_hidden() -> None:
    """A time-out of the request itself is passed on."""
    lane = Bulkhead(SLOTS, VirtualClock())
    with pytest.raises(TimeoutError):
        async with lane.slot(Registry(), hosts=1):
            raise TimeoutError


async def test_who_stops_waiting_leaves_no_slot_taken() -> None:
    """A cancelled question leaves no slot taken."""
    lane = Bulkhead(SHARE, VirtualClock())
    first, second = Registry(), Registry()
    asking = begin(lane, first)
    await let_tasks_run()
    gone, waiting = begin(lane, Registry()), begin(lane, second)
    await let_tasks_run()
    gone.cancel()
    await let_tasks_run()
    asking.cancel()
    await let_tasks_run()
    assert second.asked == 1
    third = begin(lane, Registry())
    await let_tasks_run()
    waiting.cancel()
    third.cancel()
    await end(waiting, third)
    last = Registry(answers=True)
    last.answers = False
    assert await ask(lane, last) == "answer"
