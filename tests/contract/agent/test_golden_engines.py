"""The responses of every known engine are read as they were meant, see `golden/`."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from imagedrift_agent.adapters.engine import Engine
from imagedrift_agent.core.address import EngineAddress
from imagedrift_sandbox.engine import ScriptedEngine
from imagedrift_schemas.v1 import LocalImage
from support.golden_engines import golden_files

every_engine = pytest.mark.parametrize("file", golden_files(), ids=lambda file: file.stem)


@every_engine
async def test_an_engines_answers_become_its_images(file: Path, tmp_path: Path) -> None:
    """The images of an inventory are those that the file's author, or the engine, meant."""
    golden = json.loads(file.read_text())
    async with ScriptedEngine.serving(tmp_path / "socket") as engine:
        engine.answers = golden["answers"]
        snapshot = await reading(engine).take()

    assert snapshot.image_list.images == msgspec.convert(golden["census"], tuple[LocalImage, ...])
    assert snapshot.image_list.skipped == golden["skipped"]


@every_engine
async def test_the_engine_is_told_by_name_and_version(file: Path, tmp_path: Path) -> None:
    """Docker and Podman are told apart, though both speak Docker's API."""
    golden = json.loads(file.read_text())
    async with ScriptedEngine.serving(tmp_path / "socket") as engine:
        engine.answers = golden["answers"]
        snapshot = await reading(engine).take()

    kind, _, version = file.stem.partition("-")
    assert snapshot.engine == kind
    assert snapshot.engine_version.startswith(version.partition("-")[0])
    assert snapshot.hostname == golden["answers"]["/info"]["Name"]


@every_engine
async def test_calls_use_the_api_version_of_the_engine(file: Path, tmp_path: Path) -> None:
    """Everything but the question for the version is asked in the newest version of both."""
    golden = json.loads(file.read_text())
    async with ScriptedEngine.serving(tmp_path / "socket") as engine:
        engine.answers = golden["answers"]
        await reading(engine).take()

    first, *rest = engine.asked
    assert first == "/version"
    assert {target.split("/")[1] for target in rest} == {f"v{api_version(golden)}"}


@every_engine
def test_a_golden_file_says_where_it_is_from(file: Path) -> None:
    """A file says itself whether it was recorded or written by hand."""
    about = json.loads(file.read_text())["about"]

    assert about.startswith(("Recorded from ", "Written by hand from the Docker Engine API"))


async def test_an_unchanged_host_costs_four_calls(tmp_path: Path) -> None:
    """Details are asked for once: the second pass over the same host asks only for the lists."""
    golden = json.loads(golden_files()[0].read_text())
    async with ScriptedEngine.serving(tmp_path / "socket") as engine:
        engine.answers = golden["answers"]
        source = reading(engine)
        first = await source.take()
        engine.forget_asked()
        second = await source.take()

    assert second == first
    assert len(engine.asked) == 4


async def test_an_upgraded_engine_is_read_anew(tmp_path: Path) -> None:
    """After an upgrade the details are asked for again, in the new version of the API."""
    golden = json.loads(golden_files()[0].read_text())
    async with ScriptedEngine.serving(tmp_path / "socket") as engine:
        engine.answers = golden["answers"]
        source = reading(engine)
        await source.take()
        engine.forget_asked()
        engine.answers["/version"] |= {"Version": "29.0.0", "ApiVersion": "1.48"}
        snapshot = await source.take()

    details = [target for target in engine.asked if target.startswith("/v1.48/images/sha256")]
    assert snapshot.engine_version == "29.0.0"
    assert len(details) == len(golden["answers"]["/images/json"])
    assert all(target.endswith("?manifests=1") for target in details)


def reading(engine: ScriptedEngine) -> Engine:
    """The adapter, on a scripted engine."""
    return Engine(lambda: EngineAddress(path=str(engine.path)))


def api_version(golden: dict[str, Any]) -> str:
    """The version of the API that the engine speaks."""
    return str(golden["answers"]["/version"]["ApiVersion"])


@every_engine
async def test_any_field_but_an_id_may_be_null(file: Path, tmp_path: Path) -> None:
    """Engines and versions differ in what they leave out, and in how: no look fails for it."""
    golden = json.loads(file.read_text())
    async with ScriptedEngine.serving(tmp_path / "socket") as engine:
        for path, document in golden["answers"].items():
            for name in field_names(document):
                engine.answers = golden["answers"] | {path: without(document, name)}
                snapshot = await reading(engine).take()

                assert snapshot.image_list.skipped.keys() <= {
                    "bad_name",
                    *golden["skipped"],
                    "image_gone",
                    "container_by_id",
                }


def field_names(document: Any) -> set[str]:
    """The fields of an answer, or of each element of its list, without the ids."""
    elements = document if isinstance(document, list) else [document]
    return {name for element in elements for name in element} - {"Id"}


def without(document: Any, name: str) -> Any:
    """The same answer with one field null everywhere."""
    if isinstance(document, list):
        return [without(element, name) for element in document]
    return {key: None if key == name else value for key, value in document.items()}
