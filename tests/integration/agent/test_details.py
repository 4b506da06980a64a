"""Details of single objects: one that cannot be read costs itself alone."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from imagedrift_agent.adapters.engine import Engine
from imagedrift_agent.adapters.engine_limits import EngineLimits
from imagedrift_agent.core.address import EngineAddress
from imagedrift_sandbox.engine import Bytes, Hanging, Refusal, ScriptedEngine, populate
from support.agents import RecordingPublisher, running_agent
from support.polling import until
from support.sick_engine import add_container, source_on

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"

SICK = {
    "500": Refusal(500),
    "403": Refusal(403),
    "hangs": Hanging(),
    "nonsense": Bytes(b"\x00\xff no HTTP\r\n\r\n"),
    "no document": "text",
    "half a body": Bytes(HEAD + b'{"Id":'),
    "hangs up": Bytes(b""),
    "too large": Bytes(HEAD.replace(b"5000", b"99999999") + b" " * 9_000_000),
    "wrong types": {"Id": 7, "Config": []},
    "another object": {"Id": f"sha256:{'d' * 64}", "Config": {"Image": "other/app:9"}},
}

sick = pytest.mark.parametrize("answer", SICK.values(), ids=SICK.keys())


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[ScriptedEngine]:
    """An engine of five images and five containers."""
    async with ScriptedEngine.serving(tmp_path / "socket") as serving:
        populate(serving, images=5, containers=5)
        yield serving


@sick
async def test_a_sick_container_spares_the_others(engine: ScriptedEngine, answer: Any) -> None:
    """The call for it may do anything (containrrr/watchtower#531, moby/moby#18848)."""
    add_container(engine, 1, answer)

    snapshot = await source_on(engine).take()

    assert len(snapshot.image_list.images) == 5
    assert sum(image.running for image in snapshot.image_list.images) == 5
    assert snapshot.image_list.skipped == {"container_unreadable": 1}


@sick
async def test_a_sick_image_is_told_by_the_list(engine: ScriptedEngine, answer: Any) -> None:
    """With its names, digests and containers (containers/podman#19090)."""
    before = (await source_on(engine).take()).image_list.images
    engine.answers[f"/images/{engine.answers['/images/json'][2]['Id']}/json"] = answer

    snapshot = await source_on(engine).take()

    told = [(i.reference, i.repo_digests, i.containers, i.size) for i in snapshot.image_list.images]
    assert told == [(i.reference, i.repo_digests, i.containers, i.size) for i in before]
    assert snapshot.image_list.skipped == {"image_unreadable": 1}


async def test_a_container_that_went_meanwhile_is_not_sick(engine: ScriptedEngine) -> None:
    """The list named it, its details are gone."""
    add_container(engine, 1, Refusal(404))

    snapshot = await source_on(engine).take()

    assert len(snapshot.image_list.images) == 5
    assert "container_unreadable" not in snapshot.image_list.skipped


async def test_many_objects_that_hang_do_not_use_up_the_pass(engine: ScriptedEngine) -> None:
    """After a handful the others get less time; what is well is read all the same."""
    for number in range(40):
        add_container(engine, number, Hanging())
    source = Engine(lambda: EngineAddress(path=str(engine.path)), EngineLimits(answer_within_s=1))
    began = time.monotonic()

    snapshot = await source.take()

    assert time.monotonic() - began < 15
    assert snapshot.image_list.skipped == {"container_unreadable": 40}
    assert sum(image.running for image in snapshot.image_list.images) == 5


async def test_what_is_left_when_the_time_for_details_ends_is_told_by_the_list(
    engine: ScriptedEngine,
) -> None:
    """The pass ends within its bound, however many objects hang."""
    snapshot = await source_on(engine, details_within_s=0.0).take()

    assert len(snapshot.image_list.images) == 5
    assert snapshot.image_list.skipped == {"image_unreadable": 5}


async def test_a_sick_object_is_asked_for_ever_more_rarely(engine: ScriptedEngine) -> None:
    """Looks at a host with broken images stay cheap; the count of these stays the same."""
    add_container(engine, 1, Refusal(500))
    source, asked, counted = source_on(engine), [], []
    for _ in range(16):
        engine.forget_asked()
        counted.append((await source.take()).image_list.skipped)
        asked.append(sum("/containers/0" in target for target in engine.asked))

    assert sum(asked) == 5
    assert asked[:4] == [1, 1, 0, 1]
    assert counted == [{"container_unreadable": 1}] * 16


async def test_a_sick_object_that_recovers_is_reported(engine: ScriptedEngine) -> None:
    """At the next look after its first failure."""
    add_container(engine, 1, Refusal(500))
    source = source_on(engine)
    await source.take()
    reference = engine.answers["/images/json"][0]["RepoTags"][0]
    name = engine.answers["/containers/json"][-1]["Id"]
    engine.answers[f"/containers/{name}/json"] = {"Id": name, "Config": {"Image": reference}}

    snapshot = await source.take()

    assert snapshot.image_list.skipped == {}
    assert len(snapshot.image_list.images[0].containers) == 2


async def test_details_that_are_all_denied_are_told_by_the_list(engine: ScriptedEngine) -> None:
    """As some proxies do (containrrr/watchtower#1713): labels count, `imagedrift.ignore` too."""
    for summary in engine.answers["/images/json"]:
        summary["Created"] = 1790000000
        engine.answers[f"/images/{summary['Id']}/json"] = Refusal(403)
    engine.answers["/images/json"][0]["Labels"] = {"imagedrift.ignore": "true"}

    snapshot = await source_on(engine).take()

    assert len(snapshot.image_list.images) == 4
    assert {image.created_at.year for image in snapshot.image_list.images if image.created_at} == {
        2026
    }
    assert all(image.size and image.repo_digests for image in snapshot.image_list.images)
    assert snapshot.image_list.skipped == {"image_unreadable": 5}


async def test_an_engine_that_goes_away_between_its_lists_and_details_is_a_fault(
    engine: ScriptedEngine,
) -> None:
    """An engine that went away says nothing of its images: the last inventory stands."""
    for summary in engine.answers["/images/json"]:
        engine.answers[f"/images/{summary['Id']}/json"] = Hanging()
    source = source_on(engine)

    async def go_away() -> None:
        await until(lambda: any("/images/sha256" in t for t in engine.asked), "details are asked")
        engine.fault = "hangs up"

    async with running_agent(source, publisher := RecordingPublisher()):
        await go_away()
        await until(lambda: bool(publisher.heartbeats), "the reason is said")

    assert "closed the connection" in publisher.heartbeats[0].degraded
    assert publisher.inventories == []
