"""A replica's copy of a shared state."""

import asyncio
from datetime import timedelta

import pytest
from msgspec.structs import replace

from imagedrift_resolver.shared_state import SYNC_S, SharedState
from imagedrift_schemas.v1 import RegistryState
from support.shared_states import SharedStates
from support.virtual_time import NOW, VirtualClock

pytestmark = pytest.mark.virtual_time

OWN = RegistryState(registry="r.example", credential="anonymous", observed_at=NOW)
BLOCKED = replace(OWN, blocked_until=NOW + timedelta(minutes=5), last_error="429")


async def test_the_shared_state_is_read_once_in_a_while() -> None:
    """The shared state is read now and then, not per question."""
    states = SharedStates()
    shared = SharedState(OWN, states, VirtualClock())
    for _ in range(10):
        await shared.sync()
    assert states.reads == 1
    await asyncio.sleep(SYNC_S)
    await shared.sync()
    assert states.reads == 2


async def test_a_change_of_another_replica_arrives_with_the_next_reading() -> None:
    """Another replica's change arrives with the next read."""
    states = SharedStates()
    shared = SharedState(OWN, states, VirtualClock())
    await shared.sync()
    states.rows["r.example", "anonymous"] = BLOCKED
    await shared.sync()
    assert shared.value.blocked_until is None
    await asyncio.sleep(SYNC_S)
    await shared.sync()
    assert shared.value.blocked_until == BLOCKED.blocked_until
    assert shared.has_answered


async def test_a_noted_change_is_written_with_the_next_reading() -> None:
    """A noted change is written with the next read."""
    states = SharedStates()
    shared = SharedState(OWN, states, VirtualClock())
    await shared.sync()
    shared.has_answered = True
    shared.note(BLOCKED)
    assert not states.rows
    await asyncio.sleep(SYNC_S)
    await shared.sync()
    assert states.rows["r.example", "anonymous"] == BLOCKED


async def test_a_change_that_was_not_taken_is_written_again() -> None:
    """A change that NATS did not store is written again."""
    states = SharedStates()
    states.is_away = True
    shared = SharedState(OWN, states, VirtualClock())
    shared.has_answered = True
    shared.note(BLOCKED)
    await shared.share()
    states.is_away = False
    await shared.flush()
    assert states.registries == {"r.example"}


async def test_a_state_of_the_future_is_not_believed() -> None:
    """A state of a replica with a wrong clock is ignored."""
    states = SharedStates()
    ahead = NOW + timedelta(hours=1)
    states.rows["r.example", "anonymous"] = replace(
        BLOCKED, observed_at=ahead, blocked_until=ahead + timedelta(hours=1)
    )
    shared = SharedState(OWN, states, VirtualClock())
    await shared.sync()
    assert shared.value.blocked_until is None
