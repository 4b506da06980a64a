"""One sick image or container never hides a host: it is counted, and the rest is reported."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from imagedrift_agent.adapters.engine import Engine
from imagedrift_agent.adapters.engine_faults import EngineFault
from imagedrift_agent.core.address import Address
from imagedrift_agent.core.messages import HostProfile, inventory
from imagedrift_runtime import clock
from imagedrift_sandbox.engine import Bytes, Hanging, Refusal, ScriptedEngine, populate
from support.agents import RecordingPublisher, running_agent
from support.polling import until

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
ID_ONLY = "e" * 64


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[ScriptedEngine]:
    """An engine of five images and five containers."""
    async with ScriptedEngine.serving(tmp_path / "socket") as serving:
        populate(serving, images=5, containers=5)
        yield serving


def source_on(engine: ScriptedEngine) -> Engine:
    """The adapter, impatient."""
    return Engine(lambda: Address(path=str(engine.path)), answer_within_s=0.5)


def add_container(engine: ScriptedEngine, number: int, answer: Any) -> None:
    """Add a container of which the list shows only its image's id."""
    image = engine.answers["/images/json"][0]["Id"]
    name = f"{number:063x}e"
    engine.answers["/containers/json"].append({"Id": name, "Image": image, "ImageID": image})
    engine.answers[f"/containers/{name}/json"] = answer


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
    source = Engine(lambda: Address(path=str(engine.path)), answer_within_s=1)
    began = time.monotonic()

    snapshot = await source.take()

    assert time.monotonic() - began < 15
    assert snapshot.image_list.skipped == {"container_unreadable": 40}
    assert sum(image.running for image in snapshot.image_list.images) == 5


async def test_what_is_left_when_the_time_for_details_ends_is_told_by_the_list(
    engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pass ends within its bound, however many objects hang."""
    monkeypatch.setattr("imagedrift_agent.adapters.details.ALL_WITHIN_S", 0.0)

    snapshot = await source_on(engine).take()

    assert len(snapshot.image_list.images) == 5
    assert snapshot.image_list.skipped == {"image_unreadable": 5}


async def test_a_sick_object_is_asked_for_ever_more_rarely(engine: ScriptedEngine) -> None:
    """So that looks at a host that does not change stay cheap; the count stays the same."""
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
    """It is no list of an engine's: the last inventory stands."""
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
    said = inventory(profile, snapshot, clock.now())

    assert len(said.images) == 5
    assert said.hostname == "by-the-system"
    assert said.skipped == {"info_denied": 1}


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


async def test_an_engine_that_goes_away_between_its_lists_and_details_is_a_fault(
    engine: ScriptedEngine,
) -> None:
    """Then nothing was wrong with its images, and the last inventory stands."""
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


async def test_what_is_skipped_is_said_and_does_not_repeat_itself(engine: ScriptedEngine) -> None:
    """The reasons are part of the inventory: one more is news, the same ones are not."""
    add_container(engine, 1, Refusal(500))
    publisher = RecordingPublisher()
    async with running_agent(source_on(engine), publisher, interval_s=1):
        await until(lambda: len(publisher.heartbeats) >= 3, "looks without news")
        engine.answers["/containers/json"].append(7)
        await until(lambda: len(publisher.inventories) == 2, "one more that makes no sense")

    assert [said.skipped for said in publisher.inventories] == [
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
    """They are replaced and cut, as ingest would do it."""
    engine.answers["/info"] = {"Name": "web\x00-1", "Labels": ["role=a\nb", "x" * 9000]}

    snapshot = await source_on(engine).take()

    assert snapshot.hostname == "web\ufffd-1"
    assert snapshot.labels == {"role": "a b", "x" * 1999 + "…": ""}
    assert len(snapshot.image_list.images) == 5
