"""Lists of tags are stored in order; a bad one becomes a dead letter and holds up no other."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from imagedrift_ingest.usecases.store.lists import StoreLists
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.outcomes import Done, Reject
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Listed, TagTrack
from support.ingest import NOW
from support.listing import tags_listed
from support.storing import NoRefusals, StillStream

TAGS = tags_listed(("1.1", "1.0"), repository="r.io/a", checked_at=NOW)


class Stored:
    """Keeps what is stored; lists of these sequences are in doubt at first."""

    def __init__(self, *in_doubt: int) -> None:
        self._in_doubt = {*in_doubt}
        self.lists: list[dict[tuple[str, str], tuple[int, Listed]]] = []

    async def store(
        self,
        epoch: int,
        lists: Mapping[tuple[str, str], tuple[int, Listed]],
        *,
        surely_newest: bool,
        read_to: int,
    ) -> set[int]:
        """Keep them."""
        self.lists.append(dict(lists))
        return set() if surely_newest else self._in_doubt & {seq for seq, _ in lists.values()}


class NewestStream(StillStream):
    """A stream in which every message is the newest one of its subject."""

    async def is_newest(self, subject: str, seq: int, stored_at: datetime) -> bool:
        """Say so."""
        return True


def delivery(tags: Listed, seq: int = 1) -> Delivery:
    """A list as its bucket delivers it."""
    subject = f"$KV.{subjects.BUCKET_TAGS}.{subjects.list_key(tags)}"
    return Delivery(subject, codec.encode(tags), "T", seq, 1, NOW)


def handler(stored: Stored, stream: StillStream | None = None) -> StoreLists:
    """The handler of lists."""
    return StoreLists(stored, stream or StillStream(), NoRefusals())


async def test_the_last_list_of_a_repository_is_stored() -> None:
    """Of two lists of one repository the later one is stored."""
    stored = Stored()
    later = replace(TAGS, count=9)
    assert await handler(stored).handle([delivery(TAGS), delivery(later, 2)]) == [Done(), Done()]
    assert stored.lists == [{("r.io", "a"): (2, later)}]


async def test_a_list_in_doubt_is_stored_when_its_stream_has_no_newer_one() -> None:
    """Where the order is in doubt the stream decides."""
    stored = Stored(1)
    await handler(stored, NewestStream()).handle([delivery(TAGS)])
    assert len(stored.lists) == 2
    stored = Stored(1)
    await handler(stored).handle([delivery(TAGS)])
    assert len(stored.lists) == 1


async def test_a_deleted_list_is_passed_over() -> None:
    """A key that was deleted changes nothing that is stored."""
    stored = Stored()
    deleted = delivery(TAGS)
    deleted = Delivery(deleted.subject, b"", "T", 1, 1, NOW)
    assert await handler(stored).handle([deleted]) == [Done()]
    assert stored.lists == [{}]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (replace(TAGS, registry="R.io"), "registry"),
        (replace(TAGS, repository="A b"), "repository"),
        (replace(TAGS, tracks=(TagTrack(names=("a b",)),)), r"tracks\[0\].names"),
        (replace(TAGS, tracks=(TagTrack(names=("1.0",) * 20_001),)), "tracks"),
    ],
)
async def test_p9_a_bad_list_is_refused_alone(bad: Listed, reason: str) -> None:
    """A list with a bad field is refused with the field's name, and the next one is stored."""
    stored = Stored()
    refused, done = await handler(stored).handle([delivery(bad), delivery(TAGS, 2)])
    assert isinstance(refused, Reject)
    assert reason.replace("\\", "") in refused.error
    assert done == Done()
    assert stored.lists[-1] == {("r.io", "a"): (2, TAGS)}


async def test_a_list_from_a_clock_that_is_ahead_was_read_when_it_was_stored() -> None:
    """No list was read after the message with it was stored."""
    stored = Stored()
    ahead = NOW + timedelta(days=3)
    await handler(stored).handle([delivery(replace(TAGS, checked_at=ahead, listed_at=ahead))])
    [(_, kept)] = stored.lists[0].values()
    assert (kept.checked_at, kept.listed_at) == (NOW, None)
