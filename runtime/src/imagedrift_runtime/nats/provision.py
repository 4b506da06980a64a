"""How a server is brought to the declared topology: `plan` is pure, `ensure` applies it.

Rules:
- A change that could lose messages is refused with a diff, before anything at all is applied.
- A second run finds everything unchanged. Two at once do no harm.
- Services only ever bind to what `imagedrift streams` has made.
- A consumer that somebody paused goes on. Those of lanes may rest, while a registry limits us.
- A cluster that is just forming, or elects a leader, is waited for, within a bound: each call can
  be made again, as creating what is there already with the same configuration does nothing.
- A server whose acknowledgement subjects nats-py cannot read everywhere is refused at the end.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.nats.connection import Connection
from imagedrift_runtime.nats.errors import BusError, NoBus
from imagedrift_runtime.nats.fetch import REPLY_TOKENS, UNPINNED
from imagedrift_runtime.nats.nats_py import nats
from imagedrift_runtime.nats.remedies import with_remedy
from imagedrift_runtime.nats.topology import Declared, declare
from imagedrift_schemas import subjects

Action = Literal["created", "updated", "unchanged"]

NEVER = {
    "stream": ("retention", "storage", "discard_new_per_subject"),
    "consumer": ("deliver_policy", "ack_policy", "filter_subject"),
}
"""Keys that never change in place: messages would be lost, or skipped, or delivered to nobody."""
LESS = ("max_msgs", "max_msgs_per_subject", "max_age", "num_replicas")
"""Limits that are not lowered in place: the server would drop what is above them.

`max_bytes` is, as long as the stream holds less.
"""
UNLIMITED = (None, -1, 0)
SETTLED_WITHIN_S: Final = 30.0
"""How long a cluster is waited for: servers elect a leader within 4 to 9 s."""
AGAIN_S: Final = 0.25
LONG_AGO: Final = "1970-01-01T00:00:01Z"
NO_PEERS: Final = 10005
"""JetStream's error where too few servers are known yet to keep the replicas."""
NO_STREAM: Final = 10059
"""Its error where a server has not heard yet of a stream that was just created."""


class UnsafeChange(Exception):
    """Bringing the server to the topology could lose messages; the message is the diff."""


class UnpinnedServer(BusError):
    """The server writes acknowledgement subjects that nats-py reads only in part."""


class ProvisionStep(Struct, frozen=True):
    """A stream or consumer that is created, updated or found right, with its changes."""

    kind: str
    name: str
    action: Action
    diff: tuple[str, ...] = ()
    unsafe: tuple[str, ...] = ()
    """Those lines of the diff that could lose messages."""
    resumes: bool = False
    """Whether a consumer goes on that was paused."""


class Existing(Struct, frozen=True):
    """A stream or consumer that a server has: its configuration, and how much it holds."""

    config: Any
    bytes: int = 0
    is_paused: bool = False


def plan(
    wanted: Sequence[Declared],
    found: Mapping[str, Mapping[str, Any]],
    held: Mapping[str, int] | None = None,
) -> list[ProvisionStep]:
    """Compare the declared topology with a server's configurations by name, and bytes held."""
    return [
        _step(thing, found.get(thing.name), (held or {}).get(thing.name, 0)) for thing in wanted
    ]


def _resumed(thing: Declared, step: ProvisionStep, found: Existing | None) -> ProvisionStep:
    """Add to a step that its consumer goes on, where somebody paused it."""
    if not found or not found.is_paused or thing.name.startswith(f"{subjects.STREAM_LOOKUP}/"):
        return step
    return replace(step, action="updated", resumes=True, diff=(*step.diff, "paused: True -> False"))


async def ensure(
    bus: Bus,
    *,
    lanes: Mapping[str, int] | None = None,
    replicas: int = 1,
    stream_mib: Mapping[str, int] | None = None,
) -> list[ProvisionStep]:
    """Create or update everything. Raises `UnsafeChange` before anything is applied."""
    connection = bus._connection
    wanted = declare(lanes, replicas, stream_mib)
    found: dict[str, Existing] = {
        thing.name: one
        for thing in wanted
        if (one := await _settled(connection, partial(_find, connection, thing)))
    }
    configs = {name: vars(one.config) for name, one in found.items()}
    compared = plan(wanted, configs, {name: one.bytes for name, one in found.items()})
    steps = [
        _resumed(thing, step, found.get(thing.name))
        for thing, step in zip(wanted, compared, strict=True)
    ]
    unsafe = [f"{step.kind} {step.name}: {line}" for step in steps for line in step.unsafe]
    if unsafe:
        raise UnsafeChange("\n".join(unsafe))
    for thing, step in zip(wanted, steps, strict=True):
        if step.action != "unchanged":
            await _settled(connection, partial(_apply, connection, thing, found.get(thing.name)))
        if step.resumes:
            await _settled(connection, partial(_resume, connection, thing))
    # One name for every try, so that none leaves a stream behind.
    await _settled(
        connection, partial(check_replies, connection, f"DRIFT_CHECK_{secrets.token_hex(4)}")
    )
    return steps


async def check_replies(connection: Connection, name: str) -> None:
    """Let a message go round, and raise `UnpinnedServer` if its reply is not of version 1.

    `name` is that of the stream that it goes through, which is removed at the end.
    """
    await connection.js.add_stream(name=name, subjects=[name], storage="memory", max_age=60)
    try:
        await connection.js.publish(name, b"")
        subscription = await connection.js.pull_subscribe(name, stream=name)
        (message,) = await subscription.fetch(1)
        await subscription.unsubscribe()
    finally:
        with suppress(nats.js.errors.NotFoundError):  # an earlier try has, and did not hear so
            await connection.js.delete_stream(name)
    if len(message.reply.split(".")) != REPLY_TOKENS:
        raise UnpinnedServer(UNPINNED)


def _step(thing: Declared, found: Mapping[str, Any] | None, held: int) -> ProvisionStep:
    if found is None:
        return ProvisionStep(thing.kind, thing.name, "created")
    changed = {
        field: (found.get(field), value)
        for field, value in thing.config.items()
        if (found.get(field) or None) != (value or None)
    }
    diff = {field: f"{field}: {old!r} -> {new!r}" for field, (old, new) in changed.items()}
    unsafe = [diff[field] for field, pair in changed.items() if _is_unsafe(thing, field, *pair)]
    if "max_bytes" in changed and 0 < thing.config["max_bytes"] < held:
        unsafe.append(
            f"{diff['max_bytes']}, and it holds {held}: set IMAGEDRIFT_STREAM_MIB, or purge it"
        )
    action: Action = "updated" if diff else "unchanged"
    return ProvisionStep(thing.kind, thing.name, action, tuple(diff.values()), tuple(unsafe))


def _is_unsafe(thing: Declared, field: str, old: Any, new: Any) -> bool:
    if field == "subjects":
        return not set(old or ()) <= set(new)
    if field in LESS:
        return new not in UNLIMITED and (old in UNLIMITED or new < old)
    return field in NEVER[thing.kind]


async def _settled(connection: Connection, call: Callable[[], Awaitable[Any]]) -> Any:
    """Make a call again while the servers are not ready for it. Raises `NoBus` with their words."""
    began = time.monotonic()
    while True:
        tried = time.monotonic()
        try:
            return await call()
        except (TimeoutError, OSError, nats.errors.Error, nats.js.errors.Error) as error:
            reason = connection.reason(error, tried)
            if not _may_pass(error, reason) or time.monotonic() - began > SETTLED_WITHIN_S:
                told = f"the server did not take the streams: {reason}"
                raise NoBus(with_remedy(told)) from error
        await asyncio.sleep(AGAIN_S)


def _may_pass(error: Exception, reason: str) -> bool:
    """Tell whether servers that have found each other would answer otherwise."""
    if isinstance(error, nats.js.errors.ServiceUnavailableError):
        return True  # also without a code, where nobody answered at all
    if isinstance(error, nats.js.errors.APIError):
        return error.err_code in (NO_PEERS, NO_STREAM)
    return "permissions violation" not in reason.lower()


async def _find(connection: Connection, thing: Declared) -> Existing | None:
    """Read a stream or consumer; None when there is none."""
    try:
        if thing.kind == "stream":
            info = await connection.js.stream_info(thing.name)
            return Existing(info.config, info.state.bytes)
        consumer = await connection.js.consumer_info(*thing.name.split("/"))
        return Existing(consumer.config, is_paused=bool(consumer.paused))
    except nats.js.errors.NotFoundError:
        return None


async def _apply(connection: Connection, thing: Declared, found: Existing | None) -> None:
    """Create or update. What is not declared stays as it was found."""
    if thing.kind == "consumer":
        config = (found.config if found else nats.js.api.ConsumerConfig()).evolve(**thing.config)
        await connection.js.add_consumer(thing.name.split("/")[0], config)
        return
    old = found.config if found else nats.js.api.StreamConfig(name=thing.name)
    config = old.evolve(**thing.config)
    await (connection.js.update_stream(config) if found else connection.js.add_stream(config))


async def _resume(connection: Connection, thing: Declared) -> None:
    """Let a consumer go on: its pause is over."""
    await connection.js.pause_consumer(*thing.name.split("/"), LONG_AGO)
