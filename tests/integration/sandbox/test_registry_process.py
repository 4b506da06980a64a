"""The registry as its own process obeys its switchboard, and is fast enough to measure with."""

import time

from imagedrift_sandbox.registry import (
    Fault,
    RegistryProcess,
    SyntheticImage,
)
from support.load import heads


async def test_it_answers_enough_heads_a_second() -> None:
    """A thousand HEADs on 100 connections, each delayed by 50 ms, take near to half a second.

    The bound is generous, because the machine has other things to do; what is reached on a quiet
    one is far above.
    """
    async with RegistryProcess.start() as registry:
        await registry.push([SyntheticImage(repository=f"r{number}") for number in range(50)])
        await registry.misbehave(Fault(latency_s=0.05))
        began = time.monotonic()
        answered = await heads(registry.host, [f"r{number % 50}" for number in range(1000)], 100)
        took = time.monotonic() - began
        totals = await registry.totals()

    assert answered == {200: 1000}
    assert totals.head_requests == 1000
    assert 0.5 <= took < 5.0
