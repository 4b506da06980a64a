"""Pages of a repository's tags, in each of the ways in which registries give them out.

Pure: `tag_page` takes the tags in the order in which they were pushed, and a request's query.
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import quote


class TagPaging(StrEnum):
    """How a registry lists its tags."""

    PLAIN = "plain"
    """In the order of the alphabet, as many as are asked for; the link is a path. So Docker Hub."""
    GHCR = "ghcr"
    """In the order in which they were pushed, 1,000 at the most."""
    QUAY = "quay"
    """50 a page for any number that is asked for, with a cursor."""
    ECR = "ecr"
    """1,000 at the most, with an absolute link and a token in place of the last tag."""
    ARTIFACTORY = "artifactory"
    """The link's path lacks the first part of the repository."""
    RED_HAT = "red_hat"
    """50 a page for any number that is asked for, in no order."""
    CAPPED = "capped"
    """The first 1,000, and no word of the others."""
    ENDLESS = "endless"
    """Each page has names that no other has, and a link to the next one."""
    ELSEWHERE = "elsewhere"
    """The link leads to another host."""
    REPEATS = "repeats"
    """Every page is the first one, under a new link."""
    HUGE = "huge"
    """One page of 100 MB."""


FEW: Final = 50
MANY: Final = 1000
HUGE_BYTES: Final = 100 * 1024 * 1024


class ServedPage(NamedTuple):
    """A page as it is served."""

    names: list[str]
    link: str = ""


def tag_page(
    paging: TagPaging, tags: Sequence[str], url: str, path: str, query: Mapping[str, str]
) -> ServedPage:
    """Return the page that a query asks for. `url` is the registry's own, `path` the list's."""
    match paging:
        case TagPaging.ENDLESS:
            number = int(query.get("last", "0"))
            names = [f"{number}.{minor}" for minor in range(FEW)]
            return ServedPage(names, _next(f"{path}?last={number + 1}"))
        case TagPaging.REPEATS:
            again = int(query.get("again", "0")) + 1
            return ServedPage(sorted(tags)[:FEW], _next(f"{path}?again={again}"))
        case TagPaging.CAPPED:
            return ServedPage(sorted(tags)[:MANY])
        case _:
            return _slice(paging, _ordered(paging, tags), url, path, query)


async def huge_body() -> AsyncIterator[bytes]:
    """Write a page of 100 MB, as JSON: the names of its first part come again and again."""
    names = "".join(f'"1.0.{number}",' for number in range(10_000)).encode()
    yield b'{"tags":['
    for _ in range(HUGE_BYTES // len(names) + 1):
        yield names
    yield b'"2.0.0"]}'


def _slice(
    paging: TagPaging, tags: list[str], url: str, path: str, query: Mapping[str, str]
) -> ServedPage:
    size = _size(paging, query.get("n", ""), len(tags))
    start = _start(paging, tags, query)
    names = tags[start : start + size]
    if not names or start + size >= len(tags):
        return ServedPage(names)
    return ServedPage(names, _next(_target(paging, url, path, size, start + size, names[-1])))


def _ordered(paging: TagPaging, tags: Sequence[str]) -> list[str]:
    if paging is TagPaging.GHCR:
        return [*tags]
    if paging is TagPaging.RED_HAT:
        return sorted(tags, key=lambda tag: hashlib.sha256(tag.encode()).digest())
    return sorted(tags)


def _size(paging: TagPaging, asked: str, count: int) -> int:
    if paging in (TagPaging.QUAY, TagPaging.RED_HAT):
        return FEW
    if paging in (TagPaging.GHCR, TagPaging.ECR):
        return min(int(asked or MANY), MANY)
    return int(asked) if asked.isdigit() else count


def _start(paging: TagPaging, tags: list[str], query: Mapping[str, str]) -> int:
    if token := query.get("next_page" if paging is TagPaging.QUAY else "token", ""):
        return int(urlsafe_b64decode(token))
    last = query.get("last", "")
    if not last:
        return 0
    if paging in (TagPaging.GHCR, TagPaging.RED_HAT):
        return tags.index(last) + 1
    return sum(tag <= last for tag in tags)


def _target(paging: TagPaging, url: str, path: str, size: int, end: int, last: str) -> str:
    token = urlsafe_b64encode(str(end).encode()).decode()
    after = f"n={size}&last={quote(last)}"
    match paging:
        case TagPaging.QUAY:
            return f"{path}?n={size}&next_page={token}"
        case TagPaging.ECR:
            return f"{url}{path}?n={size}&token={token}"
        case TagPaging.ARTIFACTORY:
            _, _, less = path.removeprefix("/v2/").partition("/")
            return f"/v2/{less}?{after}"
        case TagPaging.ELSEWHERE:
            return f"https://registry.example.net{path}?{after}"
        case _:
            return f"{path}?{after}"


def _next(target: str) -> str:
    return f'<{target}>; rel="next"'
