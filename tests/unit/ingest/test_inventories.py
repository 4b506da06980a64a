"""An inventory is read or refused, and the newest of several counts."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_ingest.core.inventories import MOST_VALUES, newest, read
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.errors import Malformed
from imagedrift_schemas.v1 import Inventory
from support.ingest import NOW, image, inventory

SUBJECT = subjects.inventory("fra1", "web-1")


def received(seq: int = 1, host: str = "web-1", **facts: Any) -> Any:
    """A message as it is read."""
    message = inventory(host, [image()], **facts)
    return read(subjects.inventory("fra1", host), codec.encode(message), seq, NOW)


def test_a_message_about_another_host_is_refused() -> None:
    """P8: a message about another host than its subject's is refused."""
    payload = codec.encode(inventory("web-2", []))
    with pytest.raises(Malformed, match="site and host"):
        read(SUBJECT, payload, 1, NOW)


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"content": "md5:1"}, "content"),
        ({"content": "sha512:" + "0" * 128}, "content"),
        ({"interval_s": 0}, "interval_s"),
        ({"interval_s": 2**40}, "interval_s"),
    ],
)
def test_a_field_that_the_database_would_refuse_is_named(facts: dict[str, Any], field: str) -> None:
    """P9: a field that the database would refuse is named in the error."""
    with pytest.raises(Malformed, match=f"^{field}:"):
        received(**facts)


def test_of_several_messages_the_one_stored_last_counts() -> None:
    """Of several inventories in a batch the last one in the stream counts."""
    newest_ones = newest([received(2), received(3), received(1), received(1, "web-2")])
    assert [(one.host, one.seq) for one in newest_ones] == [("web-1", 3), ("web-2", 1)]


@given(st.binary(max_size=300) | st.just(b'{"type":"inventory"}'))
def test_any_bytes_are_read_or_refused(payload: bytes) -> None:
    """P9: any bytes are an inventory or Malformed."""
    with pytest.raises(Malformed):
        read(SUBJECT, payload, 1, NOW)


texts = st.text(max_size=20)


@given(st.builds(Inventory, site=texts, host=texts, taken_at=st.just(NOW), content=texts))
def test_any_inventory_is_read_or_refused(message: Inventory) -> None:
    """P9: any well-formed message is an inventory or Malformed."""
    with pytest.raises(Malformed):
        read(SUBJECT, codec.encode(message), 1, NOW)


def test_a_message_of_too_many_values_is_refused_before_it_is_decoded() -> None:
    """A message of millions of values is refused before it is decoded."""
    payload = codec.encode(inventory("web-1", []))[:-1] + b',"x":[' + b"[]," * MOST_VALUES + b"1]}"
    with pytest.raises(Malformed, match="values"):
        read(SUBJECT, payload, 1, NOW)


def test_a_million_labels_are_left_out_before_they_are_decoded() -> None:
    """A large message with more labels than any host has is read without them, at once."""
    labels = ",".join(f'"k{n}":"v"' for n in range(900_000))
    told = codec.encode(inventory("web-1", [image()]))[:-1] + b',"labels":{' + labels.encode()
    began = time.process_time()
    read_ = read(subjects.inventory("fra1", "web-1"), told + b"}}", 1, NOW)
    assert time.process_time() - began < 0.3
    assert read_.envelope.labels == {}
    assert read_.envelope.hostname
