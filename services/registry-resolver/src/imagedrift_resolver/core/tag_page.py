"""One page of a repository's tags: its names, and where the next page is.

- The names of a page that was cut for its size count as far as they came.
- A name that no tag can have is left out.
- The next page is of the same list: the same origin, and the same path. Only the query of a `Link`
  is taken, so that its path may lack a part of ours, as Artifactory's does, or have more of them,
  as behind a redirect.
- Without a `Link`, a page of as many names as registries give out at the most may lack others. So
  may each page of a registry that refuses our number and chooses its own.
"""

import re
from datetime import datetime
from typing import Final
from urllib.parse import quote

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from imagedrift_resolver.core import answer
from imagedrift_resolver.core.reply import Reply
from imagedrift_resolver.core.site import Site
from imagedrift_resolver.core.tag_list import MOST_NAMES
from imagedrift_resolver.core.url import BadUrl, Url, parse_url
from imagedrift_schemas.tags.patterns import TAG
from imagedrift_schemas.v1 import Failure, Invalid, Unsupported

PAGE: Final = 1000
"""How many names are asked for: no registry takes more, and most take so many."""
CAPS: Final = frozenset({50, 100, 200, 250, 500, PAGE})
"""How many names registries give out at the most, without a word."""
LONGEST: Final = 128
"""Characters of a tag."""
MOST_TEXTS: Final = 200_000
BRIEF_BYTES: Final = 512 * 1024
"""Of a page of more texts only so much is read: a million of them would hold the event loop."""
_LINK: Final = re.compile(r"<([^<>]*)>([^<]*)")
_RELATION: Final = re.compile(r";\s*rel\s*=\s*\"?([^\";,]*)", re.IGNORECASE)


class TagPage(Struct, frozen=True):
    """The names of one page."""

    names: tuple[str, ...]
    told: int
    """How many names the registry wrote, those that no tag can have included."""
    size: int
    """How many bytes were read."""
    is_cut: bool = False
    """There are more names than were read."""
    last: str = ""
    """The last name as the registry wrote it."""


class _Body(Struct):
    tags: list[str] | UnsetType | None = UNSET


_BODIES: Final = msgspec.json.Decoder(_Body)


def first_page(site: Site, repository: str) -> Url:
    """Return the url of a list's first page."""
    url = site.url(repository, "tags", "list")
    mark = "&" if "?" in url.target else "?"
    return replace(url, target=f"{url.target}{mark}n={PAGE}")


def read_page(reply: Reply, most: int, now: datetime) -> TagPage | Failure:
    """Read a page of which `most` bytes were taken at the most."""
    if reply.status in (405, 406, 415, 501):
        return Unsupported(reason=f"the registry answered {reply.status}: it lists no tags")
    if reply.status != 200:
        return answer.failure(reply, now)
    if reply.first("content-encoding") not in ("", "identity"):
        return Invalid(reason="the list of tags was sent compressed, which nobody asked for")
    if reply.body.count(b'"') > 2 * MOST_TEXTS:
        return _part(reply.body[:BRIEF_BYTES])
    if not reply.cut:
        return _page(reply.body, is_cut=False)
    if len(reply.body) < most:
        return Invalid(reason="the list of tags ended early, or came in crumbs")
    return _part(reply.body)


def next_page(site: Site, url: Url, links: tuple[str, ...]) -> Url | Invalid | None:
    """Return the url of the page after the one of `url`; None after the last."""
    link = _next_link(", ".join(links))
    if link is None:
        return None
    try:
        target = parse_url(link, url)
    except BadUrl as error:
        return Invalid(reason=f"the list's next page is at an address that {error}")
    path, _, query = target.target.partition("?")
    own, _, _ = url.target.partition("?")
    if target.origin != url.origin or not _is_same_list(own, path):
        return Invalid(reason="the list's next page is elsewhere")
    if site.namespace and not re.search(r"(?:^|&)ns=", query):
        query = f"{query}&ns={site.namespace}"
    return replace(url, target=f"{own}?{query}")


def may_be_capped(page: TagPage, *, is_first: bool, has_own_size: bool) -> bool:
    """Tell whether names may lack after a page without a link."""
    if has_own_size:
        return page.told > 0
    return page.told == PAGE or (is_first and page.told in CAPS)


def page_after(url: Url, name: str) -> Url | None:
    """Return the url of the names after the last one of a page; None where it has no such name."""
    if not 0 < len(name) <= LONGEST:
        return None
    path, _, query = url.target.partition("?")
    kept = [each for each in query.split("&") if each.startswith(("n=", "ns="))]
    after = quote(name, safe="", errors="replace")
    return replace(url, target=f"{path}?{'&'.join((*kept, f'last={after}'))}")


def _page(body: bytes, *, is_cut: bool) -> TagPage | Invalid:
    try:
        told = _BODIES.decode(body).tags
    except (msgspec.DecodeError, RecursionError, ValueError):
        return Invalid(reason="the list of tags is no JSON of that form")
    if told is UNSET:
        return Invalid(reason="the list of tags has no `tags`")
    names = told or []
    read = tuple(name for name in names[:MOST_NAMES] if TAG.fullmatch(name))
    is_cut = is_cut or len(names) > MOST_NAMES
    return TagPage(read, len(names), len(body), is_cut, names[-1] if names else "")


def _part(body: bytes) -> TagPage:
    """Read the beginning of a page; none of its names where it ends before them."""
    page = _page(_mended(body), is_cut=True)
    return page if isinstance(page, TagPage) else TagPage((), 0, len(body), is_cut=True)


def _mended(body: bytes) -> bytes:
    """End a body that was cut within its names after the last whole one."""
    return body[: body.rfind(b'",') + 1] + b"]}"


def _next_link(header: str) -> str | None:
    """Find the link to the next page; one that names no relation counts, too."""
    for match in _LINK.finditer(header):
        relation = _RELATION.search(match[2])
        if relation is None or "next" in relation[1].lower().split():
            return match[1].strip()
    return None


def _is_same_list(own: str, path: str) -> bool:
    """Tell whether one path is the other's end, in whole parts, after `/v2`."""
    ours, theirs = (f"/{each.strip('/').removeprefix('v2/')}" for each in (own, path))
    return theirs.endswith("/tags/list") and (ours.endswith(theirs) or theirs.endswith(ours))
