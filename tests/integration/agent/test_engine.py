"""A pass over an engine: what its lists, its version and its information tell of the host."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from imagedrift_agent.adapters.engine_faults import EngineFault
from imagedrift_agent.core.messages import HostProfile, inventory
from imagedrift_runtime import clock
from imagedrift_sandbox.engine import Bytes, Hanging, Refusal, ScriptedEngine, populate
from support.agents import RecordingPublisher, running_agent
from support.polling import until
from support.sick_engine import add_container, source_on

ID_ONLY = "e" * 64


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[ScriptedEngine]:
    """An engine of five images and five containers."""
    async with ScriptedEngine.serving(tmp_path / "socket") as serving:
        populate(serving, images=5, containers=5)
        yield serving


@pytest.mark.parametrize(
    "element",
    [7, None, [], {"Id": 7}, {"Names": ["/x"]}, {"Id": ID_ONLY, "Labels": ["no map"]}],
    ids=repr,
)
@pytest.mark.parametrize("path", ["/containers/json", "/images/json"])
async def test_one_element_that_makes_no_sense_does_not_cost_the_list(
    engine: ScriptedEngine, path: str, element: Any
) -> None:
    """The others are listed and it is counted, unless its id is enough to ask for it."""
    engine.answers[path].insert(1, element)

    snapshot = await source_on(engine).take()

    assert len(snapshot.image_list.images) == 5
    reason = {"/containers/json": "container_unreadable", "/images/json": "image_unreadable"}[path]
    has_id = path == "/images/json" and isinstance(element, dict) and element.get("Id") == ID_ONLY
    assert snapshot.image_list.skipped == ({} if has_id else {reason: 1})


async def test_a_list_of_nothing_that_makes_sense_is_a_fault(engine: ScriptedEngine) -> None:
    """A list without one readable element is no engine's: the last inventory stands."""
    engine.answers["/images/json"] = [7, "x"]

    with pytest.raises(EngineFault, match="/images/json: not what an engine says"):
        await source_on(engine).take()


@pytest.mark.parametrize(
    "answer", [Refusal(403), Refusal(404), Refusal(500), Hanging(), "text", Bytes(b"")], ids=repr
)
async def test_a_host_is_reported_without_what_its_engine_says_of_itself(
    engine: ScriptedEngine, answer: Any
) -> None:
    """A denied `/info` is a common default of proxies: the host's name is the system's then."""
    engine.answers["/info"] = answer

    snapshot = await source_on(engine).take()
    profile = HostProfile(site="s", host="h", hostname="by-the-system")
    message = inventory(profile, snapshot, clock.now())

    assert len(message.images) == 5
    assert message.hostname == "by-the-system"
    assert message.skipped == {"info_denied": 1}


async def test_what_an_engine_said_of_itself_stands(engine: ScriptedEngine) -> None:
    """A call that fails for once changes neither name nor labels of the host."""
    source = source_on(engine)
    await source.take()
    engine.answers["/info"] = Refusal(500)

    snapshot = await source.take()

    assert snapshot.hostname == "scripted"
    assert snapshot.image_list.skipped == {"info_denied": 1}


async def test_a_version_that_is_denied_is_lived_with(engine: ScriptedEngine) -> None:
    """The engine is spoken to without a version, and named by `/info`."""
    engine.answers["/version"] = Refusal(403)
    engine.answers["/info"] |= {"ServerVersion": "28.2.2", "Architecture": "x86_64"}

    snapshot = await source_on(engine).take()

    assert len(snapshot.image_list.images) == 5
    assert (snapshot.engine, snapshot.engine_version) == ("docker", "28.2.2")


async def test_what_is_skipped_is_said_and_does_not_repeat_itself(engine: ScriptedEngine) -> None:
    """The reasons are part of the inventory: one more is news, the same ones are not."""
    add_container(engine, 1, Refusal(500))
    publisher = RecordingPublisher()
    async with running_agent(source_on(engine), publisher, interval_s=1):
        await until(lambda: len(publisher.heartbeats) >= 3, "looks without news")
        engine.answers["/containers/json"].append(7)
        await until(lambda: len(publisher.inventories) == 2, "one more that makes no sense")

    assert [each.skipped for each in publisher.inventories] == [
        {"container_unreadable": 1},
        {"container_unreadable": 2},
    ]


async def test_a_container_made_from_a_folder_costs_no_call(engine: ScriptedEngine) -> None:
    """Podman says `sha256:` where such a container has no image."""
    engine.answers["/containers/json"].append({"Id": ID_ONLY, "Image": "", "ImageID": "sha256:"})

    snapshot = await source_on(engine).take()

    assert snapshot.image_list.skipped == {}
    assert not [target for target in engine.asked if "sha256:/" in target or ID_ONLY in target]


async def test_a_query_that_is_refused_does_not_cost_the_list(engine: ScriptedEngine) -> None:
    """Without manifests less is known of the images, but they are known."""
    engine.answers["/version"] |= {"ApiVersion": "1.47"}
    engine.answers["/images/json?manifests=1"] = Refusal(403)

    snapshot = await source_on(engine).take()

    assert len(snapshot.image_list.images) == 5
    assert snapshot.image_list.skipped == {}


async def test_odd_texts_of_an_engine_are_shown_without_control_characters(
    engine: ScriptedEngine,
) -> None:
    """Control characters are replaced and texts cut, as ingest would do it."""
    engine.answers["/info"] = {"Name": "web\x00-1", "Labels": ["role=a\nb", "x" * 9000]}

    snapshot = await source_on(engine).take()

    assert snapshot.hostname == "web\ufffd-1"
    assert snapshot.labels == {"role": "a b", "x" * 1999 + "…": ""}
    assert len(snapshot.image_list.images) == 5
