"""Lists of tags played by hand: registries that page in every way, and the answers made of it."""

import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qsl

from imagedrift_resolver.core.listing import Listing, list_tags, listed
from imagedrift_resolver.core.registry_profile import RegistryProfile
from imagedrift_resolver.core.reply import NoResponse, Reply
from imagedrift_resolver.core.site import Site
from imagedrift_resolver.core.steps import Elapsed, Send
from imagedrift_sandbox.registry.tag_pages import TagPaging, tag_page
from imagedrift_schemas.tags.newer import newer_in
from imagedrift_schemas.tags.version import read
from imagedrift_schemas.v1 import Failure, List, Listed
from support.conversations import NOW, play, site, tokens

REPOSITORY = "team/app"
QUESTION = List(
    registry="registry.example.org",
    repository=REPOSITORY,
    asked_at=NOW,
    fresh_since=NOW,
    tags=("1.2",),
)

MANY = [f"1.{minor}.{patch}" for minor in range(50) for patch in range(50)]
"""2,500 tags."""
NEXT = '</v2/team/app/tags/list?n=1000&last=1.1>; rel="next"'

Got = Reply | NoResponse | Failure
ListServer = Callable[[Send], Got]


def page(names: Sequence[str] | None, *links: str, **fields: Any) -> Reply:
    """A page of tags, with its links."""
    body = json.dumps({"name": REPOSITORY, "tags": names}).encode()
    return Reply(200, {"link": links} if links else {}, body, **fields)


def paged(paging: TagPaging, tags: Sequence[str]) -> ListServer:
    """A registry that has these tags, and pages in its own way."""

    def serve(step: Send) -> Reply:
        path, _, query = step.url.target.partition("?")
        url = f"{step.url.scheme}://{step.url.authority}"
        served = tag_page(paging, tags, url, path, dict(parse_qsl(query)))
        return page(served.names, *([served.link] if served.link else []))

    return serve


def silent(tags: Sequence[str], most: int, *, begins_again: bool = False) -> ListServer:
    """A registry that gives out so many names in order, and no link; or always the first ones."""

    def serve(step: Send) -> Reply:
        query = dict(parse_qsl(step.url.target.partition("?")[2]))
        last = "" if begins_again else query.get("last", "")
        return page([tag for tag in sorted(tags) if tag > last][:most])

    return serve


def in_turn(*replies: Got) -> ListServer:
    """A registry that answers each request with the next of these."""
    left = list(replies)
    return lambda _: left.pop(0)


def list_by_hand(
    server: ListServer, at: Site | None = None, page_s: float = 0.0
) -> tuple[Listing, list[Send]]:
    """Ask which tags `team/app` has, where each page takes so long; what was read, the requests."""
    passed = 0.0

    def others(step: Any) -> Any:
        nonlocal passed
        if not isinstance(step, Elapsed):
            return tokens(step)
        passed += page_s
        return passed

    conversation = list_tags(at or site(), RegistryProfile(), REPOSITORY, NOW)
    found, _, steps = play(conversation, server, others)  # type: ignore[arg-type]
    return found, [step for step in steps if isinstance(step, Send)]


def answered(listing: Listing, previous: Listed | None = None, *tags: str) -> Listed:
    """Make the answer of a listing."""
    question = QUESTION if not tags else List(**{**_fields(QUESTION), "tags": tags})
    return listed(question, listing, previous, NOW, "anonymous")


def assert_p11(told: Listed) -> None:
    """Of no version is it said that nothing is newer."""
    for tag in ("9.9.9", "1.0.0", "1-alpine"):
        version = read(tag)
        assert version is not None
        newer = newer_in(told, version)
        assert None not in (newer.patch, newer.minor, newer.major)


def _fields(question: List) -> dict[str, Any]:
    return {name: getattr(question, name) for name in question.__struct_fields__}
