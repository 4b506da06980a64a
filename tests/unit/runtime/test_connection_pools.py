"""Pools of database connections are closed, and those that do not answer are dropped."""

import asyncio

from imagedrift_runtime.connection_pools import close_pools


class Pool:
    """A pool that is closed once an event is set."""

    def __init__(self, answers: bool) -> None:
        self._given_back = asyncio.Event()
        if answers:
            self._given_back.set()
        self.end = ""

    async def close(self) -> None:
        """Wait for the event."""
        await self._given_back.wait()
        self.end = "closed"

    def terminate(self) -> None:
        """Note that the connections were dropped."""
        self.end = self.end or "dropped"


async def test_a_pool_that_answers_is_closed() -> None:
    """Pools whose connections are given back are closed, and nothing of them is dropped."""
    pools = [Pool(answers=True), Pool(answers=True)]
    await close_pools(*pools)
    assert [pool.end for pool in pools] == ["closed", "closed"]


async def test_a_pool_that_does_not_answer_is_dropped_in_time() -> None:
    """A connection that is never given back holds up no end of a process."""
    pools = [Pool(answers=True), Pool(answers=False)]
    await close_pools(*pools, within_s=0.01)
    assert [pool.end for pool in pools] == ["closed", "dropped"]
