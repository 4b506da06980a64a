"""New images lead to a look for digests at once, and looks leave room between them."""

import asyncio

import pytest

from imagedrift_ingest.usecases.describe import RESTS_S, DescribeDigests
from support.virtual_time import VirtualClock

pytestmark = pytest.mark.virtual_time


class Describing:
    """Work whose looks for digests take some time."""

    def __init__(self, look_s: float = 0.0) -> None:
        self.clock, self._look_s = VirtualClock(), look_s
        self.news, self.stopping = asyncio.Event(), asyncio.Event()
        self.work = DescribeDigests(self._ask, self.clock, self.news, self.stopping)

    async def _ask(self) -> None:
        """Look for digests, while a host brings further images."""
        assert not self.news.is_set()
        await self.clock.sleep(self._look_s)
        self.news.set()


@pytest.mark.parametrize(("look_s", "rest_s"), [(0.0, RESTS_S), (2.0, 2.0)])
async def test_after_a_look_for_digests_it_rests_as_long_as_that_took(
    look_s: float, rest_s: float
) -> None:
    """News that come during a look are left for the next one, which is not at once."""
    describing = Describing(look_s)
    describing.news.set()
    await describing.work.run()
    assert describing.clock.monotonic() == pytest.approx(look_s + rest_s)
    assert describing.news.is_set()


async def test_a_stop_ends_the_rest_after_a_look_for_digests() -> None:
    """A process that is told to stop does not rest."""
    describing = Describing()
    describing.stopping.set()
    await describing.work.run()
    assert describing.clock.monotonic() == 0.0
