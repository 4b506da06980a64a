"""A strict JSON Schema validator in JavaScript reads our schemas as our own reader does."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from imagedrift_schemas.catalogue import name_of
from support.foreign import FOLDER, node
from support.samples import ROOT, SAMPLES
from support.schemas import faults

DIGEST = "sha256:" + "a" * 64
INVENTORY: dict[str, Any] = next(
    json.loads(sample.payload) for sample in SAMPLES if sample.name == "inventory.full"
)
TEXTS: dict[str, list[Any]] = {
    "reference": [
        "docker.io/library/nginx:1.27",
        "nginx:1.27",
        "docker.io/nginx:1.27",
        "index.docker.io/library/nginx:1",
        "Ghcr.io/a/b:1",
        "ghcr.io/A/b:1",
        "FOO/bar:1",
        "foo/bar:1",
        "localhost/bar:1",
        "LOCALHOST/bar:1",
        "localhost:5000/bar:1",
        "[::1]:5000/bar:1",
        "[abc]/bar:1",
        f"r.io/a__b/c.d--e@{DIGEST}",
        f"r.io/a___b@{DIGEST}",
        f"r.io/a:1@{DIGEST}",
        f"r.io/a@{DIGEST.upper()}",
        "r.io/" + "a" * 255 + ":1",
        "r.io/" + "a" * 256 + ":1",
        "r" * 252 + ".io/a:1",
        "r" * 253 + ".io/a:1",
        "r.io/a:" + "t" * 128,
        "r.io/a:" + "t" * 129,
        "r.io/\u00e4:1",
        "r.io/a:1\n",
        " r.io/a:1",
        "",
    ],
    "image_id": [DIGEST, DIGEST[:-1], "sha512:" + "b" * 128, "md5:" + "a" * 32, DIGEST + "\n"],
    "platform": ["linux/amd64", "linux/arm/v7", "linux", "Linux/amd64", "linux/amd64/", "a/b/c/d"],
    "created_at": [
        "2026-11-26T02:00:00Z",
        "2026-11-26T02:00:00.123456789Z",
        "2026-11-26T02:00:00+01:00",
        "2026-11-26T02:00:60Z",
        "2026-02-30T02:00:00Z",
        "0000-01-01T00:00:00Z",
        "2026-11-26",
        "2026-11-26t02:00:00z",
    ],
    "size": [0, 2**53, -1, 1.5, "1"],
}
NEWLINE_AT_THE_END = {"r.io/a:1\n", DIGEST + "\n"}
"""Python's `$` also matches before a last line break; ECMAScript's does not, nor JSON Schema's."""


def faults_in_javascript(messages: Sequence[Any]) -> list[list[str]]:
    """Return the faults that the JavaScript validator finds in each message."""
    command = [str(node()), "validate.mjs", str(ROOT / "schemas" / "json" / "v1")]
    lines = "".join(json.dumps(message) + "\n" for message in messages)
    done = subprocess.run(
        command, cwd=FOLDER, input=lines, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def with_image(field: str, value: object) -> dict[str, Any]:
    """Return an inventory with one odd field in its image."""
    first, *others = INVENTORY["images"]
    return {**INVENTORY, "images": [{**first, field: value}, *others]}


def test_a_strict_validator_compiles_every_schema_and_takes_every_sample() -> None:
    """Every schema has known keywords and ECMAScript patterns only, and accepts our samples."""
    found = faults_in_javascript([json.loads(sample.payload) for sample in SAMPLES])

    assert found == [[]] * len(SAMPLES)
    assert {name_of(sample.message) for sample in SAMPLES} == {
        path.name.removesuffix(".schema.json")
        for path in Path(ROOT / "schemas" / "json" / "v1").iterdir()
    }


@pytest.mark.parametrize("field", TEXTS)
def test_two_languages_judge_alike(field: str) -> None:
    """Both validators accept a value, or both refuse it."""
    values = TEXTS[field]
    messages = [with_image(field, value) for value in values]

    found = faults_in_javascript(messages)

    ours = [faults(json.dumps(message).encode()) for message in messages]
    odd = [value in NEWLINE_AT_THE_END for value in values]
    assert [bool(each) for each in found] == [
        bool(each) or is_odd for each, is_odd in zip(ours, odd, strict=True)
    ]
    assert 0 < sum(map(bool, found)) < len(values)
