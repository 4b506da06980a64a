"""The tags of repositories in PostgreSQL: read from references, stored as listed, and compared.

Rules:
- A tag is read once, some seconds after its reference was made: SQL cannot read tags, and
  inventories need not wait for it. References from before are read the same way, and so are tags
  that another grammar read. A list that another grammar cut is whole in no track, and due.
- A list is stored together with what it changes for references: no list is half seen.
- A list of a repository that no reference is of is stored, too: a database that is filled anew
  reads lists before inventories.
"""

from collections.abc import Mapping
from typing import Any, Final

import asyncpg
import msgspec

from imagedrift_ingest.adapters.postgres.bookmarks import Bookmark, Bookmarks
from imagedrift_ingest.adapters.postgres.candidates import CandidateRules
from imagedrift_ingest.adapters.postgres.connection import Database, arguments
from imagedrift_ingest.adapters.postgres.newer import LockedList, compare
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core import lists as core
from imagedrift_ingest.core.freshness import FreshnessRules
from imagedrift_ingest.core.lists import ListState
from imagedrift_schemas.tags.version import GRAMMAR, read
from imagedrift_schemas.v1 import Listed, TagTrack

SQL = load("lists")
READ_AT_ONCE: Final = 1000
COMPARED_AT_ONCE: Final = 20

RepositoryKey = tuple[str, str]
"""A registry and a repository."""

_tracks = msgspec.json.Decoder(tuple[TagTrack, ...])


class TagListTable:
    """The tags of repositories, and how references stand among them."""

    def __init__(
        self,
        database: Database,
        bookmarks: Bookmarks,
        rules: FreshnessRules,
        candidates: CandidateRules,
    ) -> None:
        self._database = database
        self._bookmarks = bookmarks
        self._rules = rules
        self._candidates = candidates

    async def store(
        self,
        epoch: int,
        lists: Mapping[RepositoryKey, tuple[int, Listed]],
        *,
        surely_newest: bool,
        read_to: int,
    ) -> set[int]:
        """Store lists by repository; the sequences of those in doubt, which are not stored."""
        async with self._bookmarks.batch(epoch, read_to) as bookmark:
            return await self._database.transaction(
                self._write, bookmark, read_to, epoch, lists, surely_newest
            )

    async def read_tags(self) -> int:
        """Read the tags of some new references; how many."""
        return await self._database.transaction(_read_tags)

    async def count(self) -> int:
        """Count the hosts that run versions of each repository; how many counts changed."""
        if self._rules.list_freshness_s <= 0:
            return await self._database.execute(SQL["rest_lists"])
        return await self._database.execute(SQL["count_lists"], self._rules.list_freshness_s)

    async def compare_new(self) -> int:
        """Compare references that came or went with some lists that are there; how many lists."""
        rows = await self._database.fetch(SQL["uncompared"], COMPARED_AT_ONCE)
        wanted = sorted((row["registry"], row["repository"]) for row in rows)
        if wanted:
            await self._database.transaction(self._compare_new, wanted)
        return len(wanted)

    async def _compare_new(
        self, connection: asyncpg.Connection, wanted: list[RepositoryKey]
    ) -> None:
        taken = await _take(connection, wanted)
        lists = [_in_our_grammar(each) for each in taken]
        await _save(connection, [each for each in lists if each.is_new])
        await compare(connection, lists, self._candidates)

    async def _write(
        self,
        connection: asyncpg.Connection,
        bookmark: Bookmark,
        read_to: int,
        epoch: int,
        lists: Mapping[RepositoryKey, tuple[int, Listed]],
        surely_newest: bool,
    ) -> set[int]:
        await bookmark.move(connection, epoch, read_to)
        names = sorted(lists)
        await connection.execute(SQL["open_lists"], *arguments([*names], 2))
        saved: list[LockedList] = []
        in_doubt: set[int] = set()
        for held in await _take(connection, names):
            seq, listed = lists[held.registry, held.repository]
            after = self._folded(held, listed, epoch, seq, surely_newest=surely_newest)
            if after is not None:
                saved.append(after)
            elif core.stands(held.state, listed, epoch=epoch, seq=seq) == "doubtful":
                in_doubt.add(seq)
        await _save(connection, saved)
        await compare(connection, saved, self._candidates)
        return in_doubt

    def _folded(
        self, held: LockedList, listed: Listed, epoch: int, seq: int, *, surely_newest: bool
    ) -> LockedList | None:
        """Return a list as a message leaves it; None where the message changes nothing."""
        state = core.fold(
            held.state, listed, epoch=epoch, seq=seq, rules=self._rules, surely_newest=surely_newest
        )
        if state is None:
            return None
        return msgspec.structs.replace(held, state=state, is_new=not state.tells_as(held.state))


async def _read_tags(connection: asyncpg.Connection) -> int:
    """Make rows for references that have none of this grammar, and for their repositories."""
    rows = await connection.fetch(SQL["unread_tags"], READ_AT_ONCE)
    rows = rows or await connection.fetch(SQL["outgrown_tags"], READ_AT_ONCE, GRAMMAR)
    versions: list[tuple[Any, ...]] = []
    repositories: set[RepositoryKey] = set()
    for row in rows:
        of = (row["registry"], row["repository"])
        version = read(row["tag"])
        told = (
            (str(version.track), version.numbers + version.pre_release) if version else (None,) * 2
        )
        versions.append((row["ref_id"], *of, *told))
        if version:
            repositories.add(of)
    await connection.execute(SQL["open_lists"], *arguments(sorted(repositories), 2))
    await connection.execute(SQL["add_versions"], *arguments(versions, 5), GRAMMAR)
    tells_none = [ref_id for ref_id, *_, version in versions if version is None]
    await connection.execute(SQL["drop_steps_of"], tells_none)
    return len(rows)


async def _take(connection: asyncpg.Connection, names: list[RepositoryKey]) -> list[LockedList]:
    """Read and lock lists, in id order."""
    rows = await connection.fetch(SQL["take_lists"], *arguments([*names], 2))
    return [
        LockedList(row["list_id"], row["registry"], row["repository"], _state(row)) for row in rows
    ]


def _in_our_grammar(held: LockedList) -> LockedList:
    """Return a list as it was, or as one that is new: another grammar has cut it."""
    state = core.outgrown(held.state)
    return msgspec.structs.replace(held, state=state, is_new=state != held.state)


def _state(row: asyncpg.Record) -> ListState:
    values = {name: row[name] for name in ListState.__struct_fields__}
    if values["tracks"] is not None:
        values["tracks"] = _tracks.decode(values["tracks"])
    return ListState(**values)


async def _save(connection: asyncpg.Connection, lists: list[LockedList]) -> None:
    rows = [(each.list_id, *_columns(each.state)) for each in lists]
    if rows:
        await connection.execute(SQL["save_lists"], *arguments(rows, 17))


def _columns(state: ListState) -> list[Any]:
    values = {name: getattr(state, name) for name in ListState.__struct_fields__}
    if state.tracks is not None:
        values["tracks"] = msgspec.json.encode(state.tracks).decode()
    return [*values.values()]
