"""The conversation behind a `List`: which tags a repository has, page by page.

| the list ends                                                | `truncated`         |
|--------------------------------------------------------------|---------------------|
| with a page without a `Link` to another one                  |                     |
| after 20 pages, with a page of no new name, or one seen      | `pages`             |
| after 4 MiB, or 20,000 names                                 | `bytes`             |
| after 60 seconds                                             | `time`              |
| with a failure, or a next page elsewhere                     | `failed`            |

Some registries give out so many names and no `Link`, though there are more (`may_be_capped`). After
such a page the names after its last one are asked for:

| the page of the names after the last one                     | `truncated`         |
|--------------------------------------------------------------|---------------------|
| has new names                                                | asked on after them |
| has no name, or that last one alone: it was the last page    |                     |
| has other names, none of them new: the registry begins again | `pages`             |
| is refused                                                   | `pages`             |

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
from imagedrift_resolver.core.tag_page import (
    PAGE,
    TagPage,
    first_page,
    may_be_capped,
    next_page,
    page_after,
    read_page,
)
from imagedrift_resolver.core.url import Url
from imagedrift_schemas.constraints import MOST_TAGS
from imagedrift_schemas.v1 import Failure, Invalid, List, Listed, Missing, Truncated, Unsupported

MOST_SECONDS: Final = 60.0
BAD_REQUEST: Final = 400


class Listing(Struct, frozen=True):
    """The tags of a repository, as far as they were read, and why that ended before their end."""

    tags: TagList = TagList()
    truncated: Truncated = ""
    failure: Failure | None = None


class _Read(Struct, frozen=True):
    """A page that was read, and how it was asked for."""

    page: TagPage
    links: tuple[str, ...]
    url: Url
    has_own_size: bool
    """The registry refused the number that we ask for, and chose its own."""


def list_tags(
    site: Site, profile: RegistryProfile, repository: str, now: datetime
) -> Conversation[Listing]:
    """Find out which tags a repository has."""
    url, tags, seen = first_page(site, repository), TagList(), set[Url]()
    last: TagPage | None = None
    """The page after whose last name this one is asked for; None of a page that was linked."""
    while True:
        seen.add(url)
        most = MOST_LISTED_BYTES - tags.listed_bytes
        read, profile = yield from _read(site, profile, url, most, now)
        if not isinstance(read, _Read):
            return _unread(tags, read, last), profile
        before, tags = tags, tags.add(read.page.names, read.page.size)
        linked = next_page(site, read.url, read.links)
        following = _following(tags, read, linked, last, has_news=tags.count > before.count)
        if not isinstance(following, Url):
            return _ended(tags, following), profile
        last = read.page if linked is None else None
        if following in seen:
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
        grammar=kept.grammar,
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
) -> Conversation[_Read | Failure]:
    """Read a page, and its links. A registry that refuses the number asked for chooses its own."""
    reply, profile = yield from fetch(site, profile, "GET", url, most, spare=True)
    bare = _without_number(url)
    is_refused = isinstance(reply, Reply) and reply.status == BAD_REQUEST
    if bare and is_refused:
        url = bare
        reply, profile = yield from fetch(site, profile, "GET", url, most, spare=True)
    if not isinstance(reply, Reply):
        return reply, profile
    page = read_page(reply, most, now)
    if not isinstance(page, TagPage):
        return page, profile
    return _Read(page, reply.all("link"), url, bool(bare) and is_refused), profile


def _without_number(url: Url) -> Url | None:
    """Return the url of a first page of any size; None of a page that is none."""
    path, _, query = url.target.rpartition(f"n={PAGE}")
    return replace(url, target=path[:-1]) if path and not query else None


def _following(
    tags: TagList,
    read: _Read,
    linked: Url | Invalid | None,
    last: TagPage | None,
    *,
    has_news: bool,
) -> Url | Invalid | Truncated:
    """Return the url of the page after one that was read, or how the list ends with it."""
    page = read.page
    if isinstance(linked, Invalid):
        return linked
    if page.is_cut:
        return "bytes"
    if linked is not None:
        return linked if has_news else "pages"
    if last and not has_news:
        is_end = page.told == 0 or (page.told == 1 and page.last == last.last)
        return "" if is_end else "pages"
    is_first = tags.pages == 1
    if last or may_be_capped(page, is_first=is_first, has_own_size=read.has_own_size):
        return page_after(read.url, page.last) or "pages"
    return ""


def _ended(tags: TagList, end: Invalid | Truncated) -> Listing:
    """Make the listing of a list that ended with a page."""
    return Listing(tags, "failed", end) if isinstance(end, Invalid) else Listing(tags, end)


def _unread(tags: TagList, failure: Failure, last: TagPage | None) -> Listing:
    """Make the listing of a list of which a page was not read.

    A registry need not know how to list the names after another one: it linked no such page.
    """
    if last and isinstance(failure, Missing | Invalid | Unsupported):
        return Listing(tags, "pages")
    return Listing(tags, "failed", failure)
