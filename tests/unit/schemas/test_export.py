"""The generated pages are complete, up to date, and true to the samples."""

import json
import subprocess
import sys
from inspect import getmembers, isclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError
from msgspec import Struct

from imagedrift_schemas import export, v1
from imagedrift_schemas.catalogue import ROUTES, name_of
from imagedrift_schemas.fields import facts_of, has_own_sentence, structs_of
from imagedrift_schemas.glossary import MEANINGS
from support.samples import ROOT, SAMPLES, Sample
from support.schemas import VALIDATORS

STRUCTS = sorted({part for route in ROUTES for part in structs_of(route.message)}, key=str)
# Definitions that are no message and no part of one, each with what it is instead.
OTHERS = {v1.Host: "the common base of inventories", v1.InventoryEnvelope: "a reader's view"}


def validator(sample: Sample) -> Any:
    """Return a validator by the committed JSON Schema of the sample's message."""
    return VALIDATORS[name_of(sample.message)]


def test_the_committed_files_are_up_to_date() -> None:
    """`make check` and this test find a definition that was changed without its files."""
    assert export.outdated(ROOT) == []


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: name_of(route.message))
def test_every_schema_is_a_json_schema(route: Any) -> None:
    """Each file is a valid schema of draft 2020-12, named after its message."""
    schema = export.schema_of(route.message)

    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:imagedrift:v1:{name_of(route.message)}"


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_every_sample_follows_its_schema(sample: Sample) -> None:
    """Another language may trust the schema as much as ours trusts the definition."""
    assert [*validator(sample).iter_errors(json.loads(sample.payload))] == []


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_schema_refuses_what_a_reader_refuses(sample: Sample) -> None:
    """A field of another type, a missing one, and another message are all found."""
    message = json.loads(sample.payload)
    required = next(facts.name for facts in facts_of(sample.message) if facts.default is None)
    wrong = [
        {**message, required: 17},
        {name: value for name, value in message.items() if name != required},
        {**message, "type": "other"},
    ]

    for each in wrong:
        with pytest.raises(ValidationError):
            validator(sample).validate(each)


def test_a_schema_refuses_a_time_without_an_offset() -> None:
    """The format of times is part of the schema."""
    sample = next(sample for sample in SAMPLES if sample.name == "alive.minimal")

    with pytest.raises(ValidationError):
        validator(sample).validate(json.loads(sample.payload) | {"at": "2026-11-23T16:25:00"})


def test_every_definition_is_a_message_or_part_of_one() -> None:
    """Nothing is defined that the catalogue, the schemas and the reference do not show."""
    defined = {
        struct
        for _, struct in getmembers(v1, isclass)
        if issubclass(struct, Struct) and struct.__module__ == v1.__name__
    }

    assert defined - OTHERS.keys() == set(STRUCTS)


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_every_field_has_a_sentence(struct: type[Struct]) -> None:
    """The reference explains each field, in a sentence that ends like one."""
    assert struct.__doc__
    for facts in facts_of(struct):
        assert facts.meaning.endswith("."), f"{struct.__name__}.{facts.name}"


def test_every_meaning_of_the_glossary_is_used() -> None:
    """A sentence without a field that needs it is left over."""
    needed = {
        facts.name
        for struct in STRUCTS
        for facts in facts_of(struct)
        if not has_own_sentence(struct, facts.name)
    }

    assert MEANINGS.keys() == needed


def test_the_reference_shows_every_message_and_field() -> None:
    """A reader finds each by its name on the wire."""
    text = (ROOT / "docs" / "messages.md").read_text("utf-8")

    for route in ROUTES:
        section = text.split(f"\n## {name_of(route.message)}\n")[1].split("\n## ")[0]
        assert f"`{route.address}`" in text
        for facts in facts_of(route.message):
            assert f"| `{facts.name}` | {facts.type} |" in section


def test_every_link_of_the_reference_leads_to_a_heading() -> None:
    """Types and messages can be followed by a click."""
    text = (ROOT / "docs" / "messages.md").read_text("utf-8")
    headings = {line.lstrip("# ").lower() for line in text.splitlines() if line.startswith("#")}
    links = {part.split(")")[0] for part in text.split("](#")[1:]}

    assert links
    assert links <= headings


def test_export_writes_what_check_finds_and_then_finds_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Checking lists missing, changed and left-over files and writes nothing; writing mends all."""
    folder = tmp_path / "schemas" / "json" / "v1"
    folder.mkdir(parents=True)
    root = ["--root", str(tmp_path)]
    assert export.main(root) == 0
    (folder / "alive.schema.json").write_text("{}")
    (folder / "answer.schema.json").unlink()
    (folder / "gone.schema.json").write_text("{}")
    capsys.readouterr()

    found = export.main(["--check", *root])

    differing = ["alive", "answer", "gone"]
    lines = [f"outdated: schemas/json/v1/{name}.schema.json\n" for name in differing]
    assert found == 1
    assert capsys.readouterr().out == "".join(lines)
    assert (folder / "alive.schema.json").read_text() == "{}"
    assert export.main(root) == 0
    assert export.main(["--check", *root]) == 0
    assert not (folder / "gone.schema.json").exists()


def test_the_command_finds_the_repository_from_anywhere(tmp_path: Path) -> None:
    """`--check` works without --root, from whatever folder it is started in."""
    command = [sys.executable, "-m", "imagedrift_schemas.export", "--check"]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
