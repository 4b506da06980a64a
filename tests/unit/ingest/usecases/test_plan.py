"""Due questions are published in portions and noted; after news the planner waits for quiet."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from imagedrift_ingest.core.arrival_wait import FIRST_S, FLEET_QUIET_S, MANY_HOSTS, QUIET_S
from imagedrift_ingest.core.freshness import FreshnessRules
from imagedrift_ingest.core.questions import DueDigest, DueList, DueTag, PublishOutcome
from imagedrift_ingest.usecases.plan import Plan
from imagedrift_runtime.clock import Clock, SystemClock
from imagedrift_schemas.v1 import Describe, List, Question, Resolve
from support.ingest import NOW, digest
from support.turns import OwnTurns
from support.virtual_time import NOW as NOW_THERE
from support.virtual_time import VirtualClock

POLICY = FreshnessRules(freshness_s=60, stretch=4)
SOON, IN_A_PERIOD = NOW + timedelta(seconds=6), NOW + timedelta(seconds=61)


class Questions:
    """Due questions in memory, and what is noted of them."""

    def __init__(self, tags: int = 0, digests: int = 0) -> None:
        self._tags = [DueTag(n, resolve(n)) for n in range(tags)]
        self._digests = [DueDigest(n, describe(n), (n,)) for n in range(digests)]
        self.asked: list[list[tuple[int, datetime]]] = []
        self.described: list[list[tuple[int, datetime]]] = []
        self.rescheduled: list[datetime] = []

    async def due_tags(self, at: datetime) -> Sequence[DueTag]:
        """Return all."""
        return self._tags

    async def note_asked(self, at: datetime, due: Sequence[tuple[DueTag, datetime]]) -> None:
        """Keep what is noted."""
        self.asked.append([(tag.ref_id, when) for tag, when in due])

    async def due_digests(self, at: datetime) -> Sequence[DueDigest]:
        """Return all."""
        return self._digests

    async def note_described(self, at: datetime, due: Sequence[tuple[DueDigest, datetime]]) -> None:
        """Keep what is noted."""
        self.described.append([(each.ref_id, when) for each, when in due])

    async def reschedule(self, at: datetime) -> None:
        """Keep that it was asked for."""
        self.rescheduled.append(at)


class Lists:
    """Repositories that are due in memory, and what is noted of them."""

    def __init__(self, count: int = 0) -> None:
        self._lists = [DueList(n, list_of(n)) for n in range(count)]
        self.asked: list[tuple[int, datetime, bool]] = []

    async def due(self, at: datetime) -> Sequence[DueList]:
        """Return all."""
        return self._lists

    async def note_asked(self, at: datetime, due: Sequence[tuple[DueList, datetime, bool]]) -> None:
        """Keep what is noted."""
        self.asked += [(each.list_id, when, is_asked) for each, when, is_asked in due]


class Arrivals:
    """Hosts that brought new images."""

    def __init__(self, count: int = 0) -> None:
        self.bringers = set(range(count))

    def take_bringers(self) -> set[int]:
        """Return them, and begin anew."""
        taken, self.bringers = self.bringers, set()
        return taken


class Publisher:
    """Publishes questions with the outcomes that a test gives, in turn."""

    def __init__(self, *outcomes: PublishOutcome) -> None:
        self._outcomes = outcomes
        self.questions: list[Question | List] = []

    async def publish(self, questions: Sequence[Question | List]) -> Sequence[PublishOutcome]:
        """Publish."""
        self.questions += questions
        return [self._outcomes[n % len(self._outcomes)] for n in range(len(questions))]


def resolve(number: int) -> Resolve:
    """A question about a tag."""
    return Resolve(registry="r.io", repository="a", tag=str(number), asked_at=NOW, fresh_since=NOW)


def list_of(number: int) -> List:
    """A question for tags."""
    return List(registry="r.io", repository=f"a{number}", asked_at=NOW, fresh_since=NOW)


def describe(number: int) -> Describe:
    """A question about a digest."""
    return Describe(registry="r.io", repository="a", digest=digest(number), asked_at=NOW)


def plan(
    questions: Questions,
    publisher: Publisher,
    turns: OwnTurns | None = None,
    news: asyncio.Event | None = None,
    stopping: asyncio.Event | None = None,
    arrivals: Arrivals | None = None,
    clock: Clock | None = None,
    lists: Lists | None = None,
) -> Plan:
    """A planner that notes two questions at a time."""
    news, stopping = news or asyncio.Event(), stopping or asyncio.Event()
    turns = turns or OwnTurns()
    arrivals = arrivals or Arrivals()
    clock = clock or SystemClock()
    lists = lists or Lists()
    return Plan(
        questions, lists, questions, publisher, arrivals, turns, POLICY, clock, news, stopping, 2
    )


async def test_a_tag_is_due_again_by_what_became_of_its_question() -> None:
    """A tag's next time depends on whether its question was stored, there already, or refused."""
    questions = Questions(tags=3)
    publisher = Publisher("asked", "already_there")
    assert await plan(questions, publisher).ask_due(NOW) == 2
    assert questions.asked == [[(0, IN_A_PERIOD), (1, SOON)], [(2, IN_A_PERIOD)]]
    assert questions.rescheduled == [NOW]

    failing = Questions(tags=1)
    assert await plan(failing, Publisher("failed")).ask_due(NOW) == 0
    assert failing.asked == [[]]


async def test_a_digest_is_asked_about_again_after_many_periods() -> None:
    """A digest is asked again after many periods, as its content never changes."""
    questions = Questions(digests=2)
    assert await plan(questions, Publisher("asked", "already_there")).ask_due(NOW) == 1
    assert questions.described == [[(0, NOW + timedelta(seconds=12 * 60)), (1, SOON)]]


async def test_nothing_is_asked_while_another_replica_plans() -> None:
    """Nothing is asked while another replica has the turn."""
    questions, publisher = Questions(tags=3), Publisher("asked")
    assert await plan(questions, publisher, OwnTurns(is_free=False)).ask_due(NOW) == 0
    assert publisher.questions == []


class Ticking(Questions):
    """Questions that, when they are read, note how many hosts are awaited no longer."""

    def __init__(self, arrivals: Arrivals) -> None:
        super().__init__(tags=1)
        self._arrivals = arrivals
        self.untaken: list[int] = []

    async def due_tags(self, at: datetime) -> Sequence[DueTag]:
        """Return all."""
        self.untaken.append(len(self._arrivals.bringers))
        return await super().due_tags(at)


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("hosts", "is_news", "asked_after_s", "done_after_s"),
    [
        (0, False, 0.0, 0.0),
        (1, True, 0.0, FIRST_S),
        (MANY_HOSTS, True, FLEET_QUIET_S, FLEET_QUIET_S),
    ],
)
async def test_new_references_are_gathered(
    hosts: int, is_news: bool, asked_after_s: float, done_after_s: float
) -> None:
    """After news of few hosts the planner asks and waits; those of a fleet are awaited first."""
    clock, arrivals, news = VirtualClock(), Arrivals(hosts), asyncio.Event()
    questions = Ticking(arrivals)
    if is_news:
        news.set()
    began = clock.monotonic()
    work = plan(questions, Publisher("asked"), news=news, arrivals=arrivals, clock=clock)
    await work.run()
    assert questions.untaken == [0]
    assert clock.monotonic() - began == pytest.approx(done_after_s)
    assert (questions.rescheduled[0] - NOW_THERE).total_seconds() - began == pytest.approx(
        asked_after_s
    )
    assert not news.is_set()


@pytest.mark.virtual_time
async def test_news_that_came_while_gathering_is_left_for_the_next_run() -> None:
    """A host that brings more makes the planner wait no longer than its quiet time."""
    clock, arrivals, news = VirtualClock(), Arrivals(1), asyncio.Event()
    news.set()
    work = plan(Questions(tags=1), Publisher("asked"), news=news, arrivals=arrivals, clock=clock)
    running = asyncio.create_task(work.run())
    await clock.sleep(FIRST_S / 2)
    arrivals.bringers.add(7)
    news.set()
    began = clock.monotonic()
    await running
    assert clock.monotonic() - began == pytest.approx(QUIET_S)
    assert news.is_set()


@pytest.mark.virtual_time
async def test_a_stop_ends_the_wait_for_new_references() -> None:
    """The questions that are due are asked all the same."""
    clock, news, stopping = VirtualClock(), asyncio.Event(), asyncio.Event()
    news.set()
    stopping.set()
    questions = Questions(tags=1)
    await plan(questions, Publisher("asked"), news=news, stopping=stopping, clock=clock).run()
    assert clock.monotonic() == 0.0
    assert len(questions.asked) == 1


async def test_a_repository_is_due_again_by_what_became_of_its_question() -> None:
    """A question for tags that could not be published is published again after a minute."""
    lists = Lists(3)
    publisher = Publisher("asked", "already_there", "failed")
    assert await plan(Questions(), publisher, lists=lists).ask_due(NOW) == 1
    in_an_hour = NOW + timedelta(seconds=3601)
    in_a_minute = NOW + timedelta(minutes=1)
    assert lists.asked == [
        (0, in_an_hour, True), (1, in_an_hour, True), (2, in_a_minute, False)
    ]  # fmt: skip
