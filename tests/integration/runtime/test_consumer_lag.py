"""A loop reports how far its consumer is behind."""

import asyncio

from prometheus_client import CollectorRegistry

from imagedrift_runtime import metrics
from imagedrift_runtime.nats import consumer
from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.fetch import PullLimits
from imagedrift_runtime.nats.outcomes import Done, HandlerOutcome
from support.nats_bus import OwnStream
from support.polling import until


async def test_a_loop_reports_the_lag_of_its_consumer_where_metrics_are_on(
    bus: Bus,
) -> None:
    """No wiring is needed: who pulls from a consumer says how far that is behind."""
    registry = CollectorRegistry()
    own = await OwnStream.make(bus)
    await own.fill(5)
    release, stopping = asyncio.Event(), asyncio.Event()

    async def blocked(delivery: Delivery) -> HandlerOutcome:
        await release.wait()
        return Done()

    def shown(name: str) -> float | None:
        labels = {"stream": own.name, "consumer": own.consumer}
        return registry.get_sample_value(f"imagedrift_consumer_{name}_messages", labels)

    metrics.enable(registry)
    try:
        loop = consumer.handle_each(
            bus,
            own.name,
            own.consumer,
            blocked,
            service="t",
            slots=2,
            stopping=stopping,
            limits=PullLimits(lag_every_s=0.02),
        )
        task = asyncio.create_task(loop)
        await until(lambda: shown("pending") == 3, what="three wait")
        assert shown("unacknowledged") == 2
        stopping.set()
        release.set()
        await asyncio.wait_for(task, 5)
    finally:
        metrics.disable()
