"""The meaning of a response: the one table from status to outcome.

| response                         | outcome                                                       |
|----------------------------------|---------------------------------------------------------------|
| 200 with a digest                | Found                                                         |
| 200 without one                  | of a HEAD: undecided, a GET tells; of a GET: the body's hash  |
| 200 that is a web page, schema 1 | Unsupported                                                   |
| 401, 403, 451                    | Denied                                                        |
| 404 by the registry's own word   | Missing, unless its error code says something else            |
| 404 of something else            | Unreachable                                                   |
| 405, 406, 415                    | Unsupported                                                   |
| 408, 5xx                         | Unreachable                                                   |
| 429                              | Limited                                                       |
| anything else                    | Invalid                                                       |

Only a registry can say that there is no such tag: by an OCI error document, or by the header that
registries add (`is_registrys_word`). The same status from whatever stands before it, a proxy with
nothing behind it for one, says nothing (traefik/traefik#1077).

Every failure has a reason that says what an operator could do. Nothing that a registry wrote
freely is repeated in it, as it could echo what we sent; of an error document only the code is.
"""

import re
from datetime import datetime, timedelta
from typing import Final

import msgspec

from imagedrift_resolver.core.limits import wait_s
from imagedrift_resolver.core.manifest import Strange, media_fault, read_manifest
from imagedrift_resolver.core.reply import Reply, shown
from imagedrift_schemas.digest import digest_of, is_digest, parse_digest, verify
from imagedrift_schemas.v1 import (
    Denied,
    Failure,
    Found,
    Invalid,
    Limited,
    Missing,
    Outcome,
    Unreachable,
    Unsupported,
)

UNTOLD_WAIT_S: Final = 60.0
ERROR_CAP: Final = 16 * 1024
_CODE: Final = re.compile(r"[A-Z][A-Z_]{1,40}")
_PAGES: Final = frozenset({"text/html", "application/xhtml+xml", "application/xml", "text/xml"})
_START_OF_PAGE: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*<")
_IN_TROUBLE: Final = frozenset({"UNAVAILABLE", "INTERNAL_ERROR"})
"""Codes of a registry that could not look."""


def of_head(reply: Reply, now: datetime) -> Outcome | None:
    """Read the response to a HEAD. None when only a GET can tell."""
    if reply.status != 200:
        return failure(reply, now)
    if fault := media_fault(reply.media_type):
        return Unsupported(reason=fault)
    digest = reply.first("docker-content-digest")
    if is_digest(digest):
        return Found(digest=digest, media_type=shown(reply.media_type), source="head")
    return None


def of_get(reply: Reply, now: datetime, wanted: str = "") -> Outcome:
    """Read the response to a GET; its body must hash to the digest it is known by."""
    if reply.status != 200:
        return failure(reply, now)
    if reply.cut:
        return Invalid(reason="the manifest ended early, exceeds 4 MiB, or came in crumbs")
    if reply.first("content-encoding") not in ("", "identity"):
        return Invalid(reason="the manifest was sent compressed, which nobody asked for")
    content = read_manifest(reply.body, reply.media_type)
    if isinstance(content, Strange):
        kind = Invalid if content.kind == "invalid" else Unsupported
        return kind(reason=content.reason)
    told = reply.first("docker-content-digest")
    digest = told if is_digest(told) else ""
    for name, known in (("was asked for", wanted), ("the header names", digest)):
        if known and not verify(parse_digest(known), reply.body):
            return Invalid(reason=f"the manifest does not hash to the digest that {name}")
    found = wanted or digest or digest_of(reply.body)
    return Found(digest=found, media_type=shown(reply.media_type), source="get")


def failure(reply: Reply, now: datetime) -> Failure:
    """Read the failure in a response other than 200."""
    status, code = reply.status, _code(reply)
    response = f"the registry answered {status}{f' ({code})' if _CODE.fullmatch(code) else ''}"
    if status == 404 or (status == 403 and reply.body):
        response += "" if is_registrys_word(reply) else ", and not as a registry"
    match status:
        case 401:
            why = reply.denial or "it wants a credential"
            return Denied(reason=f"{response}: {why}, or there is no such repository")
        case 403 | 451:
            why = reply.denial or "it may not be read"
            return Denied(reason=f"{response}: {why}, or not from this address")
        case 404:
            return _not_found(reply, response, code, now)
        case 405 | 406 | 415:
            return Unsupported(reason=f"{response}: it has no manifest of a kind that we read")
        case 429:
            return _limited(reply, response, now)
        case 408:
            return Unreachable(reason=f"{response}: it took too long")
        case _ if 500 <= status <= 599:
            return Unreachable(reason=f"{response}: it has a problem of its own")
        case _:
            return Invalid(reason=f"{response}, which is no answer to this question")


def is_registrys_word(reply: Reply) -> bool:
    """Tell whether a registry said this: by an OCI error document, or by its header.

    A page in HTML or XML is none, whatever header a proxy puts on all that passes, and whatever
    content type it has. Nor is a text: Go's `404 page not found` comes from what knows no such
    path, behind nginx with the header that Docker's own recipe adds to everything.
    """
    if reply.media_type in _PAGES or _START_OF_PAGE.match(reply.body):
        return False
    if _code(reply):
        return True
    is_text = reply.media_type.startswith("text/") or reply.body.lstrip()[:1] not in (b"", b"{")
    header = reply.first("docker-distribution-api-version").lower()
    return header.startswith("registry/2") and not is_text


def has_error_document(reply: Reply) -> bool:
    """Tell whether a response holds an OCI error document."""
    return bool(_code(reply))


def _not_found(reply: Reply, response: str, code: str, now: datetime) -> Failure:
    if not is_registrys_word(reply):
        return Unreachable(reason=f"{response}: something else may stand in its place")
    if code in ("UNAUTHORIZED", "DENIED"):
        return Denied(reason=f"{response}: {reply.denial or 'it may not be read'}")
    if code == "TOOMANYREQUESTS":
        return _limited(reply, response, now)
    if code in _IN_TROUBLE:
        return Unreachable(reason=f"{response}: it has a problem of its own")
    return Missing(reason=f"{response}: there is no such tag or repository")


def _limited(reply: Reply, response: str, now: datetime) -> Limited:
    wait = timedelta(seconds=wait_s(reply, now) or UNTOLD_WAIT_S)
    return Limited(reason=f"{response}: too many requests", until=now + wait)


def _code(reply: Reply) -> str:
    """Return the first error code of an OCI error document, or nothing."""
    if reply.cut or reply.body.lstrip()[:1] != b"{":
        return ""
    try:
        code = msgspec.json.decode(reply.body)["errors"][0]["code"]
    except (msgspec.DecodeError, RecursionError, ValueError, LookupError, TypeError):
        return ""
    return code if isinstance(code, str) else ""
