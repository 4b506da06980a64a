"""The conversation behind a `List`: which tags a repository has, page by page.

| the list ends                                                | `truncated`         |
|--------------------------------------------------------------|---------------------|
| with a page without a `Link` to another one                  |                     |
| with such a page of just as many names as were asked for     | `pages`: a cap?     |
| after 20 pages, with a page of no new name, or one seen      | `pages`             |
| after 4 MiB, or 20,000 names                                 | `bytes`             |
| after 60 seconds                                             | `time`              |
| with a failure, or a next page elsewhere                     | `failed`            |

Whatever ended it, the names of the pages before are kept. Every request is `spare`: no page is
read from the last half of a limit.
"""

from datetime import datetime
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from imagedrift_resolver.core.conversation import Conversation, RegistryProfile, fetch
from imagedrift_resolver.core.reply import Reply
from imagedrift_resolver.core.site import Site
from imagedrift_resolver.core.steps import Elapsed
from imagedrift_resolver.core.tag_list import MOST_LISTED_BYTES, TagList, keep
from imagedrift_resolver.core.tag_page import PAGE, TagPage, first_page, next_page, read_page
from imagedrift_resolver.core.url import Url
from imagedrift_schemas.constraints import MOST_TAGS
from imagedrift_schemas.v1 import Failure, List, Listed, Missing, Truncated

MOST_SECONDS: Final = 60.0
BAD_REQUEST: Final = 400


class Listing(Struct, frozen=True):
    """The tags of a repository, as far as they were read, and why that ended before their end."""

    tags: TagList = TagList()
    truncated: Truncated = ""
    failure: Failure | None = None


def list_tags(
    site: Site, profile: RegistryProfile, repository: str, now: datetime
) -> Conversation[Listing]:
    """Find out which tags a repository has."""
    url, tags, seen = first_page(site, repository), TagList(), set[Url]()
    while True:
        seen.add(url)
        most = MOST_LISTED_BYTES - tags.listed_bytes
        (page, links), profile = yield from _read(site, profile, url, most, now)
        if not isinstance(page, TagPage):
            return Listing(tags, "failed", page), profile
        before, tags = tags, tags.add(page.names, page.size)
        following = next_page(site, url, links)
        if not isinstance(following, Url):
            return _ended(tags, page, following), profile
        if page.is_cut:
            return Listing(tags, "bytes"), profile
        if tags.count == before.count or following in seen:
            return Listing(tags, "pages"), profile
        if stopped := tags.must_stop():
            return Listing(tags, stopped), profile
        elapsed: float = yield Elapsed()
        if elapsed >= MOST_SECONDS:
            return Listing(tags, "time"), profile
        url = following


def listed(
    question: List,
    listing: Listing,
    previous: Listed | None,
    checked_at: datetime,
    credential: str,
) -> Listed:
    """Make the answer to a `List`.

    A list that failed, or took too long, keeps the names of the one before, too: next time it may
    come further. It is not `whole` in any track, as nobody knows what it lacks.
    """
    before = previous if previous and _keeps_before(listing) else None
    known = {name for track in (before.tracks if before else ()) for name in track.names}
    tags = replace(listing.tags, names=listing.tags.names | known)
    kept = keep(tags, question.tags[:MOST_TAGS], listing.truncated)
    return Listed(
        registry=question.registry,
        repository=question.repository,
        checked_at=checked_at,
        tracks=kept.tracks,
        count=max(listing.tags.count, before.count if before else 0),
        cut=kept.cut or (before is not None and before.cut),
        truncated=kept.truncated,
        failure=listing.failure,
        listed_at=_listed_at(listing, before, checked_at),
        credential=credential,
        failures=1 + (previous.failures if previous else 0) if listing.failure else 0,
    )


def _keeps_before(listing: Listing) -> bool:
    """Tell whether the names of the list before still count, as this one ended early by chance."""
    is_gone = isinstance(listing.failure, Missing)
    return listing.truncated in ("failed", "time") and not is_gone


def _listed_at(listing: Listing, before: Listed | None, checked_at: datetime) -> datetime | None:
    if listing.failure is None:
        return checked_at
    if before and before.listed_at:
        return before.listed_at
    return checked_at if listing.tags.count else None


def _read(
    site: Site, profile: RegistryProfile, url: Url, most: int, now: datetime
) -> Conversation[tuple[TagPage | Failure, tuple[str, ...]]]:
    """Read a page, and its links. A registry that refuses the number asked for chooses its own."""
    reply, profile = yield from fetch(site, profile, "GET", url, most, spare=True)
    if isinstance(reply, Reply) and reply.status == BAD_REQUEST and (bare := _without_number(url)):
        reply, profile = yield from fetch(site, profile, "GET", bare, most, spare=True)
    if not isinstance(reply, Reply):
        return (reply, ()), profile
    return (read_page(reply, most, now), reply.all("link")), profile


def _without_number(url: Url) -> Url | None:
    """Return the url of a first page of any size; None of a page that is none."""
    path, _, query = url.target.rpartition(f"n={PAGE}")
    return replace(url, target=path[:-1]) if path and not query else None


def _ended(tags: TagList, page: TagPage, end: Failure | None) -> Listing:
    """Tell how a list ended at a page after which there is none, or none that is followed."""
    if end is not None:
        return Listing(tags, "failed", end)
    if page.is_cut:
        return Listing(tags, "bytes")
    return Listing(tags, "pages" if page.told == PAGE else "")
