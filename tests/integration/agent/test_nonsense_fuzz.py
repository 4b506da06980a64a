"""An engine's answers with anything anywhere in them: a look, or a fault that says where."""

import asyncio
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagedrift_agent.adapters.engine import Engine
from imagedrift_agent.adapters.engine_faults import EngineFault
from imagedrift_agent.adapters.engine_limits import EngineLimits
from imagedrift_agent.core.address import EngineAddress
from imagedrift_agent.core.messages import HostProfile, fingerprint, inventory
from imagedrift_agent.core.snapshot import Snapshot
from imagedrift_runtime.clock import now
from imagedrift_sandbox.engine import ScriptedEngine
from imagedrift_schemas import codec
from imagedrift_schemas.v1 import Inventory
from support.golden_engines import golden_files

GOLDEN = [json.loads(file.read_text())["answers"] for file in golden_files()]

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**64, -(2**70), 1e300, "", "\x00", "a" * 5000, "<none>", "/", "../..", "ü"])
    | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="idrift-") as name:
        yield Path(name)


@st.composite
def disturbed(draw: st.DrawFn) -> dict[str, Any]:
    """The answers of a known engine, with one to three values replaced."""
    answers: dict[str, Any] = json.loads(json.dumps(draw(st.sampled_from(GOLDEN))))
    for _ in range(draw(st.integers(1, 3))):
        place: Any = answers
        while True:
            key = draw(st.sampled_from(keys(place)))
            if not keys(place[key]) or draw(st.booleans()):
                break
            place = place[key]
        if place is not answers:  # which paths there are is not the engine's to choose
            place[key] = draw(values)
    return answers


def keys(value: Any) -> list[Any]:
    """The keys by which a value can be entered."""
    if isinstance(value, dict):
        return list(value)
    return list(range(len(value))) if isinstance(value, list) else []


async def look(path: Path, answers: dict[str, Any]) -> Snapshot:
    """Look at an engine that gives these answers."""
    async with ScriptedEngine.serving(path) as engine:
        engine.answers = answers
        return await Engine(
            lambda: EngineAddress(path=str(path)), EngineLimits(answer_within_s=5)
        ).take()


@settings(max_examples=150, deadline=None)
@given(disturbed())
def test_nonsense_anywhere_is_a_look_or_a_fault(folder: Path, answers: dict[str, Any]) -> None:
    """The result can be published; a response without sense is a fault that names the call."""
    fault = ""
    try:
        snapshot = asyncio.run(look(folder / "socket", answers))
    except EngineFault as error:
        fault = str(error)
    else:
        message = inventory(HostProfile(site="s", host="h"), snapshot, now())
        assert codec.decode(codec.encode(message), Inventory) == message
        assert fingerprint(message)

    assert not fault or fault.startswith("GET /")


async def test_a_body_nested_too_deeply_is_a_fault(folder: Path) -> None:
    """However deep, the agent lives."""
    deep: Any = []
    for _ in range(900):
        deep = [deep]

    with pytest.raises(EngineFault, match="/images/json"):
        await look(folder / "socket", GOLDEN[0] | {"/images/json": deep})
