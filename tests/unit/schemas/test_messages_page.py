"""The handwritten part of docs/messages.md is true: others write their programs from it."""

import hashlib
import json
import re
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from imagedrift_sandbox.fleet import InventedFleet
from imagedrift_schemas import codec, export
from imagedrift_schemas.v1 import LocalImage
from support.deploy import DEPLOY, ROOT

PAGE = (ROOT / "docs" / "messages.md").read_text("utf-8")
BY_HAND = PAGE.partition(export.MARK)[0]
AT = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
FLEET = InventedFleet(hosts=50, images=30, references=200)
SIZES = {
    "inventory": lambda number: len(FLEET.inventory(number, AT)[1]),
    "heartbeat": lambda number: len(FLEET.heartbeat(number, AT)[1]),
}
PLACES = {
    "inventory": [
        (BY_HAND, r"An inventory of 30 images is about (\d+) KB", 1000),
        ((ROOT / "docs" / "deployment.md").read_text(), r"\(about (\d+) KB for 30 images\)", 1000),
    ],
    "heartbeat": [
        (BY_HAND, r"a heartbeat about (\d+) bytes", 1),
        ((ROOT / "docs" / "deployment.md").read_text(), r"one heartbeat of about (\d+) bytes", 1),
        ((ROOT / "ARCHITECTURE.md").read_text(), r"sends a heartbeat of about (\d+) bytes", 1),
    ],
}


def test_the_worked_example_of_content_is_our_own_recipe() -> None:
    """The bytes on the page have the hash on the page, and so do ours."""
    [written] = re.findall(r"```content\n(.*)\n```", BY_HAND)
    images = msgspec.json.decode(written.encode(), type=tuple[LocalImage, ...])
    hashed = f"sha256:{hashlib.sha256(written.encode()).hexdigest()}"

    assert f"`content` is `{hashed}`" in BY_HAND
    assert codec.content_hash(reversed(images)) == hashed


@pytest.mark.parametrize("what", SIZES)
def test_the_sizes_that_are_told_are_those_of_a_fleet(what: str) -> None:
    """A simulated host's message is within a tenth of what the pages say."""
    measured = sum(map(SIZES[what], range(20))) / 20

    for text, pattern, unit in PLACES[what]:
        [told] = re.findall(pattern, " ".join(text.split()))
        assert int(told) * unit == pytest.approx(measured, rel=0.1), (pattern, measured)


def test_the_permissions_of_a_follower_are_those_that_are_shipped() -> None:
    """The page lists what followers.conf allows, for a follower of any name."""
    shipped = (DEPLOY / "nats" / "followers.conf").read_text()
    allowed = re.findall(r'"([^" ]+DRIFT_CHANGED[^" ]+)"', shipped)
    [row] = [line for line in BY_HAND.splitlines() if line.startswith("| follower |")]

    assert len(allowed) == 3
    assert [f"`{subject.replace('alerts', '<name>')}`" for subject in allowed] == re.findall(
        r"`[^`]*DRIFT_CHANGED[^`]*`", row
    )


def test_what_is_written_by_hand_survives_the_export() -> None:
    """The export writes below its mark, and nothing above."""
    assert export.MARK in PAGE
    assert export.files(ROOT)[export.REFERENCE].startswith(BY_HAND)
    assert "# Messages" in BY_HAND


def test_the_numbers_that_javascript_may_round_are_named() -> None:
    """No other whole number of a message exceeds what each reader of JSON has exactly."""
    found = set()
    for path in (ROOT / "schemas" / "json" / "v1").glob("*.json"):
        schema = json.loads(path.read_text())
        for struct in [schema, *schema.get("$defs", {}).values()]:
            found |= {name for name, of in struct["properties"].items() if _may_be_rounded(of)}
    [sentence] = re.findall(r"`size`, `seq` and `stream_seq` alone may exceed 2\^53 - 1", BY_HAND)
    assert found == set(re.findall(r"`(\w+)`", sentence))


def _may_be_rounded(schema: dict[str, Any]) -> bool:
    choices = [schema, *schema.get("anyOf", [])]
    return any(
        each.get("type") == "integer" and each.get("maximum", 2**64) >= 2**53 for each in choices
    )
