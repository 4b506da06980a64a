"""The state survives a restart, and is of one identity."""

import pytest

from imagedrift_agent.core.messages import HostProfile, inventory
from imagedrift_agent.state import AgentState
from support.agents import RecordingStore, ScriptedSource
from support.virtual_time import NOW

PROFILE = HostProfile(site="test", host="h1")


async def filled(store: RecordingStore) -> AgentState:
    """A state whose inventory NATS has confirmed."""
    state = AgentState(store, "here")
    state.update(inventory(PROFILE, await ScriptedSource().take(), NOW))
    state.confirm(state.fingerprint, "c", NOW)
    return state


async def test_a_restart_finds_the_inventory_and_its_confirmation() -> None:
    """Neither is taken or published again."""
    store = RecordingStore()
    before = await filled(store)

    after = AgentState(store, "here")

    assert after.newest == before.newest
    assert after.confirmed.fingerprint == after.fingerprint
    assert not after.is_known.is_set(), "the host may have changed meanwhile"


async def test_another_identity_forgets_what_was_saved() -> None:
    """A host that is told another NATS, site or id has confirmed nothing yet."""
    store = RecordingStore()
    await filled(store)

    other = AgentState(store, "elsewhere")

    assert other.newest is None
    assert not other.confirmed.fingerprint


async def test_an_equal_inventory_is_no_news_and_ends_a_fault() -> None:
    """An inventory's time and sender do not count."""
    state = await filled(RecordingStore())
    state.mark_outdated("the engine hangs")
    state.changed.clear()

    is_new = state.update(inventory(PROFILE, await ScriptedSource().take(), NOW.replace(year=2027)))

    assert not is_new
    assert state.degraded == ""
    assert state.changed.is_set()


@pytest.mark.parametrize("images", [0, 2])
async def test_another_list_of_images_is_news(images: int) -> None:
    """News is saved before anything is published."""
    store = RecordingStore()
    state = await filled(store)

    is_new = state.update(inventory(PROFILE, await ScriptedSource(images).take(), NOW))

    assert is_new
    assert store.saved.newest == state.newest
