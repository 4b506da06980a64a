"""How well a host answers: errors of single questions are told apart from no response."""

import pytest

from imagedrift_resolver.core.breaker import FAILURES
from imagedrift_resolver.host_health import MOST_PROVEN, PROVEN_BYTES, HostHealth
from support.virtual_time import VirtualClock

pytestmark = pytest.mark.virtual_time


async def test_failures_in_a_row_end_the_questions_and_a_success_begins_them_again() -> None:
    """The last of them tells that it opened the breaker."""
    health = HostHealth(VirtualClock())
    opened = [health.failed(f"q{number}", "no connection") for number in range(FAILURES)]
    assert opened == [False] * (FAILURES - 1) + [True]
    refused = health.refusal()
    assert refused is not None
    assert "the last: no connection" in refused.reason
    health.succeeded("q", is_good=True)
    assert health.refusal() is None
    assert health.is_answering


async def test_a_host_without_a_good_answer_need_not_show_that_it_is_well() -> None:
    """An error without a document on a registry that never worked is the host's."""
    health = HostHealth(VirtualClock())
    for question in ("a", "b"):
        health.errored(question)
        health.failed(question, "answered 502")
    assert not health.doubts("c", is_documented=False)
    assert health.doubts("c", is_documented=True)


async def test_errors_of_a_host_that_is_well_are_the_questions_own() -> None:
    """Many broken images do not shut a registry that answers others."""
    health = HostHealth(VirtualClock())
    for number in range(2 * FAILURES):
        health.errored(f"q{number}", is_well=True)
        health.failed(f"q{number}", "answered 500")
    assert health.refusal() is None


async def test_a_bounded_number_of_good_questions_is_remembered() -> None:
    """The newest ones, by their hashes."""
    health = HostHealth(VirtualClock())
    for number in range(MOST_PROVEN + 100):
        health.succeeded(f"{'q' * 500}{number}", is_good=True)
    assert health.size == MOST_PROVEN * PROVEN_BYTES
