"""An inventory is said as far as it fits."""

from hypothesis import given, settings
from hypothesis import strategies as st

from imagedrift_agent.core.payload import fitting
from imagedrift_schemas import codec
from imagedrift_schemas.compression import decompressed
from imagedrift_schemas.constraints import MOST_IMAGES
from imagedrift_schemas.v1 import Inventory, LocalImage
from support.ingest import image, inventory

MEGABYTE = 1024 * 1024


def images(count: int, running: int = 0) -> list[LocalImage]:
    """As many images, the last of which run."""
    return [image(f"r.io/app{n}:1", running=int(n >= count - running)) for n in range(count)]


def read(payload: bytes) -> Inventory:
    """The inventory as ingest reads it."""
    return codec.decode(decompressed(payload), Inventory)


def test_what_fits_is_said_plain() -> None:
    """Every ingest reads a plain inventory, older ones too."""
    whole = inventory("web-1", images(100))
    assert fitting(whole, MEGABYTE) == (whole, codec.encode(whole))


def test_what_does_not_fit_is_compressed() -> None:
    """Nothing is left out of it."""
    whole = inventory("web-1", images(6000))
    sent, payload = fitting(whole, MEGABYTE)
    assert sent == whole == read(payload)
    assert len(payload) < MEGABYTE < len(codec.encode(whole))


@given(st.integers(200, 20_000), st.integers(0, 60))
@settings(max_examples=30, deadline=None)
def test_of_what_does_not_fit_that_what_runs_is_said_first(most: int, running: int) -> None:
    """At any limit: the message is within it, and what is missing is counted."""
    whole = inventory("web-1", images(60, running))
    sent, payload = fitting(whole, most)
    left = len(sent.images)
    assert read(payload) == sent
    assert len(payload) <= most or not left
    assert sum(one.running for one in sent.images) == min(left, running)
    assert sent.skipped == ({"too_large": 60 - left} if left < 60 else {})
    assert sent.content == codec.content_hash(sent.images)


def test_more_than_ingest_stores_is_not_said() -> None:
    """Of more images than ingest stores, those that run are told."""
    sent, _ = fitting(inventory("web-1", images(MOST_IMAGES + 3, running=2)), 64 * MEGABYTE)
    assert (len(sent.images), sent.skipped) == (MOST_IMAGES, {"over_limit": 3})
    assert sum(one.running for one in sent.images) == 2


def test_what_would_be_taken_for_a_bomb_is_cut() -> None:
    """An inventory that shrinks too well is refused by ingest, so it is said in part."""
    same = [image(f"a:{n}", 1, containers=("x" * 200,) * 20) for n in range(5000)]
    sent, payload = fitting(inventory("web-1", same), MEGABYTE)
    assert read(payload) == sent
    assert 0 < len(sent.images) < 5000
