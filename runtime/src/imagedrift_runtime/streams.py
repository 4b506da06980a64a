"""The streams, buckets and consumers, declared once, and how a server is brought to them.

`plan` compares what is wanted with what is there and is pure; `ensure` applies it. A change that
could lose messages (another retention, fewer subjects, another storage) is refused with a diff:
services only ever bind to what `imagedrift streams` has made.
"""

from collections.abc import Mapping
from typing import Any

import nats.js.errors
from imagedrift_schemas import subjects
from msgspec import Struct
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)

from imagedrift_runtime.bus import Bus

DAY_S = 86_400
LANE_SLOTS = 64
"""Fleet-wide concurrency of a lane unless configured: its consumer's `max_ack_pending`."""
UNSAFE = (
    "retention",
    "storage",
    "subjects",
    "discard",
    "discard_new_per_subject",
    "max_msgs_per_subject",
)


class UnsafeChange(Exception):
    """Bringing the server to the wanted streams could lose messages; the message is the diff."""


class Step(Struct, frozen=True):
    """One thing that was created, updated or found right."""

    kind: str
    name: str
    action: str
    diff: tuple[str, ...] = ()


async def ensure(
    bus: Bus, *, lanes: Mapping[str, int] | None = None, replicas: int = 1
) -> list[Step]:
    """Create or update everything. Raises `UnsafeChange` before the first unsafe change."""
    wanted = lanes or dict.fromkeys(subjects.LANES, LANE_SLOTS)
    steps = [await _stream(bus, config) for config in stream_configs(replicas)]
    for stream, config in consumer_configs(wanted):
        steps.append(await _consumer(bus, stream, config))
    return steps


def stream_configs(replicas: int) -> list[StreamConfig]:
    """Declare the streams; the buckets are streams too."""
    common: dict[str, Any] = {
        "retention": RetentionPolicy.LIMITS,
        "storage": StorageType.FILE,
        "num_replicas": replicas,
        "allow_direct": True,
    }
    return [
        StreamConfig(
            name=subjects.STREAM_INVENTORY,
            subjects=[subjects.INVENTORY_ALL],
            max_msgs_per_subject=1,
            max_age=7 * DAY_S,
            discard=DiscardPolicy.OLD,
            **common,
        ),
        StreamConfig(
            # Limits, not work queue: a message that is delivered too often would stay for ever
            # and block its subject. Here its TTL frees the subject.
            name=subjects.STREAM_LOOKUP,
            subjects=[subjects.LOOKUP_ALL],
            max_msgs_per_subject=1,
            max_age=DAY_S,
            discard=DiscardPolicy.NEW,
            discard_new_per_subject=True,
            allow_msg_ttl=True,
            **common,
        ),
        StreamConfig(
            name=subjects.STREAM_DEAD,
            subjects=[subjects.DEAD_ALL],
            max_age=14 * DAY_S,
            discard=DiscardPolicy.OLD,
            **common,
        ),
        StreamConfig(
            name=subjects.STREAM_CHANGED,
            subjects=[subjects.CHANGED_ALL],
            max_age=14 * DAY_S,
            discard=DiscardPolicy.OLD,
            duplicate_window=3600,
            **common,
        ),
        *(
            StreamConfig(
                name=f"KV_{bucket}",
                subjects=[f"$KV.{bucket}.>"],
                max_msgs_per_subject=1,
                max_age=30 * DAY_S,
                discard=DiscardPolicy.NEW,
                allow_rollup_hdrs=True,
                deny_delete=True,
                **common,
            )
            for bucket in (subjects.BUCKET_DIGESTS, subjects.BUCKET_REGISTRIES)
        ),
    ]


def consumer_configs(lanes: Mapping[str, int]) -> list[tuple[str, ConsumerConfig]]:
    """Declare the durable consumers: (stream, configuration)."""
    # A bucket keeps one value per key, so "all" is the newest of each.
    ingest = [
        (stream, _durable(subjects.CONSUMER_INGEST, max_ack_pending=5000, ack_wait=60))
        for stream in (
            subjects.STREAM_INVENTORY,
            subjects.STREAM_DEAD,
            f"KV_{subjects.BUCKET_DIGESTS}",
            f"KV_{subjects.BUCKET_REGISTRIES}",
        )
    ]
    resolver = [
        (
            subjects.STREAM_LOOKUP,
            _durable(
                subjects.lane_consumer(lane),
                max_ack_pending=slots,
                ack_wait=30,
                filter_subject=subjects.lookup_lane(lane),
            ),
        )
        for lane, slots in lanes.items()
    ]
    return [*ingest, *resolver]


def _durable(
    name: str,
    *,
    max_ack_pending: int,
    ack_wait: float,
    filter_subject: str | None = None,
) -> ConsumerConfig:
    return ConsumerConfig(
        durable_name=name,
        deliver_policy=DeliverPolicy.ALL,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ack_wait,
        max_deliver=-1,
        max_ack_pending=max_ack_pending,
        filter_subject=filter_subject,
    )


def differences(wanted: Any, found: Any) -> dict[str, tuple[Any, Any]]:
    """Compare two configurations by the fields that `wanted` sets: field to (found, wanted)."""
    return {
        field: (getattr(found, field), value)
        for field, value in vars(wanted).items()
        if value is not None and value != getattr(found, field)
    }


async def _stream(bus: Bus, wanted: StreamConfig) -> Step:
    try:
        found = (await bus.js.stream_info(wanted.name)).config
    except nats.js.errors.NotFoundError:
        await bus.js.add_stream(wanted)
        return Step("stream", str(wanted.name), "created")
    diff = differences(wanted, found)
    unsafe = {field: pair for field, pair in diff.items() if field in UNSAFE}
    if unsafe:
        raise UnsafeChange(f"stream {wanted.name}: " + "; ".join(_lines(unsafe)))
    if not diff:
        return Step("stream", str(wanted.name), "unchanged")
    await bus.js.update_stream(wanted)
    return Step("stream", str(wanted.name), "updated", _lines(diff))


async def _consumer(bus: Bus, stream: str, wanted: ConsumerConfig) -> Step:
    name = f"{stream}/{wanted.durable_name}"
    try:
        found = (await bus.js.consumer_info(stream, wanted.durable_name)).config
    except nats.js.errors.NotFoundError:
        await bus.js.add_consumer(stream, wanted)
        return Step("consumer", name, "created")
    diff = differences(wanted, found)
    if "deliver_policy" in diff:
        raise UnsafeChange(f"consumer {name}: " + "; ".join(_lines(diff)))
    if not diff:
        return Step("consumer", name, "unchanged")
    await bus.js.add_consumer(stream, wanted)
    return Step("consumer", name, "updated", _lines(diff))


def _lines(diff: Mapping[str, tuple[Any, Any]]) -> tuple[str, ...]:
    return tuple(f"{field}: {found!r} -> {wanted!r}" for field, (found, wanted) in diff.items())
