"""A question in a lane: it is admitted once, waits for a bounded time, and is given up once."""

import asyncio

import pytest

from imagedrift_resolver.lane_question import LaneQuestion

pytestmark = pytest.mark.virtual_time


class Silent:
    """A registry that does not answer."""

    registry = "registry.example"

    def is_answering(self) -> bool:
        """Tell that it does not."""
        return False


async def test_the_first_word_on_a_slot_holds() -> None:
    """A question that was admitted is not put off afterwards."""
    question = LaneQuestion(Silent(), hosts=1)

    question.admit(is_admitted=True)
    question.admit(is_admitted=False)

    assert await question.admitted


async def test_a_question_that_stopped_waiting_is_not_put_off() -> None:
    """The end of its waiting is called once its time is over, unless it stopped before."""
    ended: list[LaneQuestion] = []
    stays, stops = LaneQuestion(Silent(), hosts=1), LaneQuestion(Silent(), hosts=1)
    for question in (stays, stops):
        question.ends_waiting(2.0, ended.append)

    stops.stops_waiting()
    await asyncio.sleep(2.1)

    assert ended == [stays]


async def test_work_is_given_up_only_where_it_may_be() -> None:
    """A word before its work ends nothing; one in its work ends it, once."""
    question = LaneQuestion(Silent(), hosts=1)
    question.give_up()
    question.may_be_given_up = True

    async def work() -> None:
        async with question.limit:
            question.give_up()
            await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        await work()
    assert not question.may_be_given_up
