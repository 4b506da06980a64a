"""Every message of version 1 is understood for ever, and nothing is lost on the way."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_schemas import codec
from imagedrift_schemas.catalogue import ROUTES, name_of
from imagedrift_schemas.digest import is_digest
from imagedrift_schemas.errors import Malformed
from imagedrift_schemas.platform import Platform
from imagedrift_schemas.reference import ImageReference
from imagedrift_schemas.v1 import Inventory, InventoryEnvelope, LocalImage
from support.samples import FULL, MINIMAL, SAMPLES, Sample

every_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)


@every_sample
def test_every_committed_sample_is_understood(sample: Sample) -> None:
    """A reader of today reads what any earlier writer has written."""
    assert isinstance(codec.decode(sample.payload, sample.message), sample.message)


@every_sample
def test_nothing_is_lost_when_a_message_is_passed_on(sample: Sample) -> None:
    """Reading, writing and reading again gives the same message, by the same bytes."""
    message = codec.decode(sample.payload, sample.message)

    again = codec.decode(codec.encode(message), sample.message)

    assert again == message
    assert codec.encode(again) == codec.encode(message)


@every_sample
def test_fields_of_the_future_are_ignored(sample: Sample) -> None:
    """A newer writer may add a field anywhere without disturbing a reader of today."""
    newer = json.dumps(with_unknown_fields(json.loads(sample.payload))).encode()

    assert b"of_the_future" in newer
    assert codec.decode(newer, sample.message) == codec.decode(sample.payload, sample.message)


@pytest.mark.parametrize("sample", FULL, ids=lambda sample: sample.name)
def test_a_full_sample_has_every_field(sample: Sample) -> None:
    """Writing it again adds nothing: no field stayed at a default for being left out."""
    message = codec.decode(sample.payload, sample.message)

    assert json.loads(codec.encode(message)) == json.loads(sample.payload)


@pytest.mark.parametrize("sample", MINIMAL, ids=lambda sample: sample.name)
def test_a_minimal_sample_has_no_field_to_spare(sample: Sample) -> None:
    """Without any one of its fields it is refused, so the rest of the message is defaults."""
    smaller = list(without_each_field(json.loads(sample.payload)))

    assert len(smaller) >= 2
    for message in smaller:
        with pytest.raises(Malformed, match="missing required field"):
            codec.decode(json.dumps(message).encode(), sample.message)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: name_of(route.message))
def test_every_message_has_a_full_and_a_minimal_sample(route: Any) -> None:
    """No message is added without showing what it looks like."""
    names = {sample.name for sample in SAMPLES}

    assert {f"{name_of(route.message)}.full", f"{name_of(route.message)}.minimal"} <= names


def test_every_outcome_has_a_sample() -> None:
    """Each thing that a registry can say is shown once."""
    shown = {
        json.loads(sample.payload)["outcome"]["type"]
        for sample in SAMPLES
        if sample.name.startswith("answer.")
    }

    assert shown == {
        *("found", "missing", "denied", "limited"),
        *("unreachable", "refused", "unsupported", "invalid"),
    }


@every_sample
def test_a_sample_shows_values_of_the_right_kind(sample: Sample) -> None:
    """Digests of a sample are digests, references canonical, and platforms in normal form."""
    for name, value in strings_in(json.loads(sample.payload)):
        if name in {"content", "digest", "image_id", "repo_digests", "remote_digest"}:
            assert is_digest(value), name
        if name == "reference":
            assert ImageReference.parse(value).canonical == value
        if name in {"platform", "platforms"}:
            assert str(Platform.parse(value)) == value


@pytest.mark.parametrize(
    "sample",
    [sample for sample in SAMPLES if sample.message is Inventory],
    ids=lambda sample: sample.name,
)
def test_the_content_of_an_inventory_sample_is_the_hash_of_its_images(sample: Sample) -> None:
    """The samples show how `content` is made, so another agent can check its own."""
    inventory = codec.decode(sample.payload, Inventory)

    assert codec.content_hash(inventory.images) == inventory.content


def test_the_envelope_reads_the_same_host_without_reading_its_images() -> None:
    """A reader that knows the content skips the images and misses nothing else."""
    payload = next(sample.payload for sample in FULL if sample.message is Inventory)

    whole = codec.decode(payload, Inventory)
    envelope = codec.decode(payload, InventoryEnvelope)

    assert [getattr(envelope, name) for name in fields_of_the_host()] == [
        getattr(whole, name) for name in fields_of_the_host()
    ]
    assert codec.decode(bytes(envelope.images), tuple[LocalImage, ...]) == whole.images


def test_samples_are_committed_as_readable_json() -> None:
    """Samples are indented, so a change of one shows as the line that changed."""
    for sample in SAMPLES:
        assert sample.payload.decode() == json.dumps(json.loads(sample.payload), indent=2) + "\n"


@given(st.sampled_from(SAMPLES), st.data())
def test_a_damaged_message_is_read_or_refused_as_malformed(
    sample: Sample, data: st.DataObject
) -> None:
    """A damaged message is read, or is Malformed."""
    at = data.draw(st.integers(0, len(sample.payload) - 1))
    damage = data.draw(st.binary(max_size=4))
    damaged = sample.payload[:at] + damage + sample.payload[at + data.draw(st.integers(0, 4)) :]

    try:
        read = codec.decode(damaged, sample.message)
    except Malformed:
        return
    assert codec.decode(codec.encode(read), sample.message) == read


# --- helpers ------------------------------------------------------------------------------------


def fields_of_the_host() -> list[str]:
    """Name the fields that an inventory and its envelope share."""
    return [name for name in Inventory.__struct_fields__ if name != "images"]


def with_unknown_fields(value: Any) -> Any:
    """Add a field that nobody knows to every object of the message, but not to its tables."""
    match value:
        case dict():
            inner = {
                name: part if name in ("labels", "skipped", "policy") else with_unknown_fields(part)
                for name, part in value.items()
            }
            return {"of_the_future": {"deep": [1, None]}, **inner}
        case list():
            return [with_unknown_fields(part) for part in value]
        case _:
            return value


def without_each_field(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Leave out one field at a time, also of objects inside; never `type`, never a whole list."""
    for name, part in message.items():
        match part:
            case [dict() as first]:
                yield from ({**message, name: [less]} for less in without_each_field(first))
            case dict():
                yield from ({**message, name: less} for less in without_each_field(part))
            case _ if name != "type":
                yield {key: value for key, value in message.items() if key != name}


def strings_in(value: Any, name: str = "") -> list[tuple[str, str]]:
    """List every string of the message that is not empty, with its field's name."""
    match value:
        case dict():
            return [found for key, part in value.items() for found in strings_in(part, key)]
        case list():
            return [found for part in value for found in strings_in(part, name)]
        case str() if value:
            return [(name, value)]
        case _:
            return []
