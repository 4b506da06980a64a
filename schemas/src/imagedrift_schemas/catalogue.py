"""Every message, with its subject, its publisher and its readers.

    agent ── inventory, alive ──▶ ingest ── resolve, describe, list ──▶ resolver
                                    ▲                                      │
                                    └──── answer, described, listed ───────┘

`ROUTES` is in the order in which a reader meets the messages. The generated reference, the JSON
Schema files and the tests all go by it, so a message that is missing here fails the suite.
"""

from typing import Final, NamedTuple

from msgspec import Struct

from imagedrift_schemas import subjects, v1


class Route(NamedTuple):
    """One message's way: `<…>` in the address stands for one token, written by `subjects`."""

    message: type[Struct]
    carrier: str
    address: str
    publisher: str
    read_by: str


_CORE: Final = "core NATS, not stored"
_LOOKUP: Final = f"{subjects.PREFIX}.lookup.<lane>.<registry>.<reference>"
_CACHED: Final = "<registry>.<reference>"

ROUTES: Final = (
    Route(
        v1.Inventory,
        f"stream {subjects.STREAM_INVENTORY}",
        f"{subjects.PREFIX}.inventory.<site>.<host>",
        "agent",
        "ingest",
    ),
    Route(v1.Alive, _CORE, f"{subjects.PREFIX}.alive.<site>.<host>", "agent", "ingest"),
    Route(v1.Resolve, f"stream {subjects.STREAM_LOOKUP}", _LOOKUP, "ingest", "resolver"),
    Route(v1.Describe, f"stream {subjects.STREAM_LOOKUP}", _LOOKUP, "ingest", "resolver"),
    Route(
        v1.List,
        f"stream {subjects.STREAM_LOOKUP}",
        f"{subjects.PREFIX}.list.<lane>.<registry>.<repository>",
        "ingest",
        "resolver",
    ),
    Route(v1.Answer, f"bucket {subjects.BUCKET_DIGESTS}", _CACHED, "resolver", "resolver, ingest"),
    Route(
        v1.Described, f"bucket {subjects.BUCKET_DIGESTS}", _CACHED, "resolver", "resolver, ingest"
    ),
    Route(
        v1.Listed,
        f"bucket {subjects.BUCKET_TAGS}",
        "<registry>.<repository>",
        "resolver",
        "resolver, ingest",
    ),
    Route(
        v1.RegistryState,
        f"bucket {subjects.BUCKET_REGISTRIES}",
        "<registry>.<credential>",
        "resolver",
        "resolver, ingest",
    ),
    Route(
        v1.Changed,
        f"stream {subjects.STREAM_CHANGED}",
        f"{subjects.PREFIX}.changed.<registry>.<reference>",
        "ingest",
        "whoever follows",
    ),
    Route(
        v1.DeadLetter,
        f"stream {subjects.STREAM_DEAD}",
        f"{subjects.PREFIX}.dead.<service>",
        "any service",
        "ingest",
    ),
)


def name_of(message: type[Struct]) -> str:
    """Return the message's name on the wire, the value of its `type` field."""
    return str(message.__struct_config__.tag)
