"""The streams, buckets and consumers, declared once.

Only what is declared here is compared with a server and changed there; all else, such as a
placement or a compression that an operator has set, stays as it is. Every value is written out,
also where it is the server's default: nats-py has other defaults.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from msgspec import Struct

from imagedrift_schemas import subjects

DAY_S = 86_400
MIB = 1024 * 1024
MOST_BYTES = 1 * MIB
"""Of one message with its headers: what a server takes unless its `max_payload` is raised."""
MOST_BYTES_OF_INVENTORY = 8 * MIB
"""For hosts with so many images that `max_payload` is raised for them."""
STREAM_MIB: Final = {
    subjects.STREAM_INVENTORY: 2048,
    subjects.STREAM_LOOKUP: 128,
    subjects.STREAM_DEAD: 128,
    subjects.STREAM_CHANGED: 512,
    f"KV_{subjects.BUCKET_DIGESTS}": 1024,
    f"KV_{subjects.BUCKET_TAGS}": 256,
    f"KV_{subjects.BUCKET_REGISTRIES}": 32,
}
"""How much each stream holds unless told otherwise: enough for 100,000 hosts of 60 images.

JetStream sets aside all of it on each server, so the sum has to fit the disk.
"""
LANE_SLOTS = 64
"""Fleet-wide concurrency of a lane unless configured: its consumer's `max_ack_pending`."""
LIST_SLOTS: Final = 2
"""Fleet-wide, how many repositories of one lane are listed at a time: hours old will do."""
ACK_WAIT_S: Final = 6
"""How long the server hears nothing of a delivered message before it delivers it again.

So soon is done again what a killed process held. It is longer than an event loop stands still, or
a connection is made anew, of a process that lives: its work would be done twice, which costs time.
"""
PROGRESS_EVERY_S: Final = ACK_WAIT_S / 3
"""How often a process that lives tells the server of the messages that it holds."""


class Declared(Struct, frozen=True, kw_only=True):
    """A stream or a durable consumer, by its name: `STREAM` or `STREAM/consumer`."""

    kind: Literal["stream", "consumer"]
    name: str
    config: dict[str, Any]


def declare(
    lanes: Mapping[str, int] | None = None,
    replicas: int = 1,
    stream_mib: Mapping[str, int] | None = None,
) -> list[Declared]:
    """List everything that there has to be; `lanes` are added to those that always are.

    `stream_mib` says how much a stream holds, where that is not what `STREAM_MIB` says.
    """
    slots = dict.fromkeys(subjects.LANES, LANE_SLOTS) | dict(lanes or {})
    sizes = STREAM_MIB | dict(stream_mib or {})
    things = [*_streams(replicas, sizes), *_consumers(slots)]
    names = [thing.name for thing in things]
    if len(names) != len(set(names)):
        raise ValueError(f"two lanes have one consumer: {', '.join(slots)}")
    return things


def _streams(replicas: int, sizes: Mapping[str, int]) -> Iterator[Declared]:
    """List the streams. When one is full, the oldest message gives way, where a loss mends itself.

    Inventories and questions are refused instead: their publishers are told, and try again.
    """

    def stream(name: str, *of: str, **config: Any) -> Declared:
        return _stream(name, of, replicas, max_bytes=sizes[name] * MIB, **config)

    yield stream(
        subjects.STREAM_INVENTORY,
        subjects.INVENTORY_ALL,
        max_msgs_per_subject=1,
        max_msg_size=MOST_BYTES_OF_INVENTORY,
        max_age=7 * DAY_S,
        discard="new",
    )
    yield stream(
        # Limits, not work queue: a message that is delivered too often would stay for ever and
        # block its subject. Here its TTL frees the subject.
        subjects.STREAM_LOOKUP,
        subjects.LOOKUP_ALL,
        subjects.LIST_ALL,
        max_msgs_per_subject=1,
        max_age=DAY_S,
        discard="new",
        discard_new_per_subject=True,
        allow_msg_ttl=True,
    )
    yield stream(subjects.STREAM_DEAD, subjects.DEAD_ALL, max_age=14 * DAY_S)
    yield stream(
        subjects.STREAM_CHANGED,
        subjects.CHANGED_ALL,
        max_age=14 * DAY_S,
        duplicate_window=3600,
    )
    # A cache: what gives way is asked again.
    for bucket in (subjects.BUCKET_DIGESTS, subjects.BUCKET_TAGS, subjects.BUCKET_REGISTRIES):
        yield stream(
            f"KV_{bucket}",
            f"$KV.{bucket}.>",
            max_msgs_per_subject=1,
            max_age=30 * DAY_S,
            allow_rollup_hdrs=True,
            deny_delete=True,
        )


def _stream(name: str, of: tuple[str, ...], replicas: int, **config: Any) -> Declared:
    common = {
        "subjects": [*of],
        "retention": "limits",
        "storage": "file",
        "discard": "old",
        "discard_new_per_subject": False,
        "max_msgs": -1,
        "max_msg_size": MOST_BYTES,
        "max_msgs_per_subject": -1,
        "duplicate_window": 120,
        "num_replicas": replicas,
        "allow_direct": True,
        # No limit markers: nats-py reads one as an entry without a value, and cannot make the key
        # anew until the marker itself has expired.
        "subject_delete_marker_ttl": 0,
    }
    return Declared(kind="stream", name=name, config=common | config)


def _consumers(lanes: Mapping[str, int]) -> Iterator[Declared]:
    # A bucket keeps one value per key, so "all" is the newest of each.
    for stream in (
        subjects.STREAM_INVENTORY,
        subjects.STREAM_DEAD,
        f"KV_{subjects.BUCKET_DIGESTS}",
        f"KV_{subjects.BUCKET_TAGS}",
        f"KV_{subjects.BUCKET_REGISTRIES}",
    ):
        yield _durable(stream, subjects.CONSUMER_INGEST, max_ack_pending=5000)
    # Who is told nothing of what was before: the notifier reads what is due from the database.
    yield _durable(
        subjects.STREAM_CHANGED,
        subjects.CONSUMER_NOTIFIER,
        deliver_policy="new",
        max_ack_pending=1000,
    )
    for lane, slots in lanes.items():
        yield _durable(
            subjects.STREAM_LOOKUP,
            subjects.lane_consumer(lane),
            max_ack_pending=slots,
            filter_subject=subjects.lookup_lane(lane),
        )
        yield _durable(
            subjects.STREAM_LOOKUP,
            subjects.list_consumer(lane),
            max_ack_pending=min(LIST_SLOTS, slots),
            filter_subject=subjects.list_lane(lane),
        )


def _durable(stream: str, consumer: str, **config: Any) -> Declared:
    common = {
        "durable_name": consumer,
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "ack_wait": ACK_WAIT_S,
        "max_deliver": -1,
    }
    return Declared(kind="consumer", name=f"{stream}/{consumer}", config=common | config)
