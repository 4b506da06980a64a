"""When a host publishes, and which message."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from imagedrift_agent.core.cadence import (
    RESEND_AFTER_S,
    ConfirmedInventory,
    Publish,
    Schedule,
    SendHeartbeat,
    SentMessage,
    WaitUntil,
    heartbeat_sent,
    next_step,
    published,
    refused,
    start,
)

START = 1000.0
MORNING = datetime(2026, 11, 23, 6, 20, tzinfo=UTC)
INTERVAL_S = 300
WITHIN_S = 60.0
chances = st.floats(0, 1, exclude_max=True)


def message_at(at: float = START, degraded: str = "", chance: float = 0.5) -> SentMessage:
    """A message was taken."""
    return SentMessage(at=at, degraded=degraded, interval_s=INTERVAL_S, chance=chance)


def confirmed(fingerprint: str = "a", chance: float = 0.5) -> Schedule:
    """A host whose inventory `a` was confirmed at the start."""
    schedule = start(ConfirmedInventory(), 0, START, chance)
    return published(
        schedule, ConfirmedInventory(fingerprint, "c", MORNING), message_at(chance=chance)
    )


def test_what_is_new_is_published_at_once() -> None:
    """A host that starts has something to say, and so has one whose images changed."""
    assert next_step(start(ConfirmedInventory(), 0, START, 0.5), "a", "", START) == Publish()
    assert next_step(confirmed("a"), "b", "", START) == Publish()


def test_a_restart_does_not_repeat_what_was_confirmed() -> None:
    """A host that starts unchanged says that it lives, not what it has."""
    schedule = start(ConfirmedInventory("a", "c", MORNING), 0, START, 0.5)

    assert next_step(schedule, "a", "", START) == SendHeartbeat()


def test_a_host_without_any_inventory_only_lives() -> None:
    """An engine that never answered leaves nothing to publish, not an empty inventory."""
    assert (
        next_step(start(ConfirmedInventory(), 0, START, 0.5), "", "no engine", START)
        == SendHeartbeat()
    )


def test_a_change_of_health_is_said_at_once() -> None:
    """Both that the engine fails and that it is back."""
    schedule = confirmed()

    assert next_step(schedule, "a", "hangs", START) == SendHeartbeat()
    assert (
        next_step(heartbeat_sent(schedule, message_at(degraded="hangs")), "a", "", START)
        == SendHeartbeat()
    )


@given(chances)
def test_an_unchanged_host_is_heard_once_per_interval(chance: float) -> None:
    """Never later than promised, and rarely sooner than four fifths of it."""
    step = next_step(confirmed(chance=chance), "a", "", START)

    assert isinstance(step, WaitUntil)
    assert 240 <= step.until - START <= 300


@given(chances)
def test_a_confirmed_inventory_is_said_again_within_six_hours(chance: float) -> None:
    """Should the stream have lost it; not all hosts at the same time."""
    schedule = confirmed(chance=chance)

    assert next_step(schedule, "a", "", START + RESEND_AFTER_S * 0.79) != Publish()
    assert next_step(schedule, "a", "", START + RESEND_AFTER_S) == Publish()


@given(st.integers(1, 40), chances)
def test_a_refusal_is_waited_out_within_the_window(failures: int, chance: float) -> None:
    """The wait doubles, is drawn at random, and never leaves the window."""
    schedule = confirmed()
    for _ in range(failures):
        schedule = refused(schedule, Publish(), START, WITHIN_S, chance)

    step = next_step(schedule, "b", "", START)

    ceiling = min(WITHIN_S, 2.0 ** (failures - 1))
    expected = START + ceiling * chance
    assert step == (WaitUntil(expected) if expected > START else Publish())


def test_a_host_whose_inventory_is_refused_still_lives() -> None:
    """A heartbeat is sent when it is due, and the wait before the next try goes on as it was."""
    schedule = refused(start(ConfirmedInventory(), 0, START, 0.5), Publish(), START, WITHIN_S, 0.5)

    heartbeat = next_step(schedule, "a", "too large", START)
    after = heartbeat_sent(schedule, message_at(degraded="too large"))

    assert heartbeat == SendHeartbeat()
    assert next_step(after, "a", "too large", START) == WaitUntil(START + 0.5)
    assert after.failures == 1


def test_a_heartbeat_that_is_not_taken_is_repeated_after_a_wait() -> None:
    """A heartbeat is repeated neither at once nor only after the interval."""
    schedule = refused(confirmed(), SendHeartbeat(), START, WITHIN_S, 0.5)

    assert next_step(schedule, "a", "", START) == WaitUntil(START + 0.5)
    assert next_step(schedule, "a", "", START + 0.5) == SendHeartbeat()


def test_a_clock_that_was_set_back_does_not_put_off_the_resend() -> None:
    """A confirmation from the future counts from now, and one of long ago from then."""
    future = ConfirmedInventory("a", "c", MORNING + timedelta(days=400))
    assert future.age_s(MORNING) == 0
    assert ConfirmedInventory().age_s(MORNING) == 0
    assert (
        ConfirmedInventory("a", "c", MORNING - timedelta(hours=6)).age_s(MORNING) == RESEND_AFTER_S
    )

    schedule = start(future, future.age_s(MORNING), START, 0.5)
    assert next_step(schedule, "a", "", START + RESEND_AFTER_S) == Publish()
    assert next_step(start(future, RESEND_AFTER_S, START, 0.5), "a", "", START) == Publish()


class Conversation(RuleBasedStateMachine):
    """A host speaks to a NATS that comes and goes; what it holds changes all the time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.newest = "a"
        self.degraded = ""
        self.nats: str = ""
        self.last_heard = START
        self.refused_last = False
        self.schedule = start(ConfirmedInventory(), 0, START, 0.5)

    @rule(fingerprint=st.sampled_from("abc"))
    def the_host_changes(self, fingerprint: str) -> None:
        """Its images become others."""
        self.newest = fingerprint

    @rule(reason=st.sampled_from(["", "hangs", "talks nonsense"]))
    def the_engine_is(self, reason: str) -> None:
        """Well, or not."""
        self.degraded = reason

    @rule(seconds=st.integers(0, 4000))
    def time_passes(self, seconds: int) -> None:
        """With NATS there or not."""
        self.now += seconds

    @rule(there=st.booleans(), chance=chances)
    def the_host_does_what_is_due(self, there: bool, chance: float) -> None:
        """Until there is nothing left to do, or NATS refuses."""
        for _ in range(4):
            match next_step(self.schedule, self.newest, self.degraded, self.now):
                case WaitUntil():
                    return
                case (Publish() | SendHeartbeat()) as step if not there:
                    self.schedule = refused(self.schedule, step, self.now, WITHIN_S, chance)
                    self.refused_last = True
                case Publish():
                    self.nats = self.newest
                    record = ConfirmedInventory(self.newest, "c", MORNING)
                    self.schedule = published(self.schedule, record, self.told(chance))
                case SendHeartbeat():
                    self.schedule = heartbeat_sent(self.schedule, self.told(chance))

    def told(self, chance: float) -> SentMessage:
        """Something was said now."""
        self.last_heard, self.refused_last = self.now, False
        return message_at(self.now, self.degraded, chance)

    @invariant()
    def what_is_confirmed_is_what_nats_has(self) -> None:
        """The host never believes that NATS has what it has not."""
        assert self.schedule.confirmed.fingerprint == self.nats

    @invariant()
    def a_quiet_host_is_up_to_date(self) -> None:
        """Silence without a refusal means that NATS has the newest and heard of us lately."""
        step = next_step(self.schedule, self.newest, self.degraded, self.now)
        if isinstance(step, WaitUntil) and not self.refused_last:
            assert self.nats == self.newest
            assert self.now - self.last_heard <= INTERVAL_S

    @invariant()
    def no_wait_is_longer_than_promised(self) -> None:
        """Neither the window of a refusal nor the interval is ever left."""
        step = next_step(self.schedule, self.newest, self.degraded, self.now)
        if isinstance(step, WaitUntil):
            assert step.until - self.now <= max(INTERVAL_S, WITHIN_S)


TestConversation = Conversation.TestCase
