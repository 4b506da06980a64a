"""Forms that change something are read with the token of their viewer alone."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.requests import Request

from imagedrift_dashboard.adapters.forms import MOST_BYTES, FormReader
from imagedrift_dashboard.core.access import Session, Viewer
from imagedrift_dashboard.core.page_fault import PageFault
from support.pages import KEY

ADA = Viewer("ada", "all", Session("1", "ada", "all", 2_000_000_000))
FORMS = FormReader(KEY)


def form_of(body: bytes, kind: str = "application/x-www-form-urlencoded") -> Request:
    """A form as ada's browser sends it."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", kind.encode())]
    scope = {"type": "http", "method": "POST", "headers": headers, "state": {"viewer": ADA}}
    return Request(scope, receive)


@pytest.mark.parametrize("goes", [True, False])
async def test_a_form_that_does_not_come_is_told(goes: bool) -> None:
    """A viewer that goes in the middle of a form, or sends no more of it, holds up nothing."""
    parts = [{"type": "http.request", "body": b"form_token=", "more_body": True}]

    async def receive() -> dict[str, Any]:
        if parts:
            return parts.pop()
        await asyncio.sleep(0 if goes else 3600)
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "POST", "headers": [], "state": {"viewer": ADA}}
    with pytest.raises(PageFault) as refused:
        await FormReader(KEY, within_s=0.05).read(Request(scope, receive))
    assert refused.value.status == 408


async def test_a_form_with_its_viewer_s_token_is_read() -> None:
    """The fields of a form come with the token that its page has."""
    body = f"form_token={FORMS.token(ADA)}&reason=a%20b&value=".encode()
    fields = await FORMS.read(form_of(body, "application/x-www-form-urlencoded; charset=UTF-8"))

    assert (fields["reason"], fields["value"]) == ("a b", "")


@pytest.mark.parametrize(
    "viewer",
    [
        Viewer("ada", "all", Session("2", "ada", "all", 2_000_000_000)),
        Viewer("ada", "all"),
        Viewer(),
    ],
)
async def test_a_token_of_another_session_or_user_is_refused(viewer: Viewer) -> None:
    """The token of another session of the same viewer is none of this one."""
    with pytest.raises(PageFault) as refused:
        await FORMS.read(form_of(f"form_token={FORMS.token(viewer)}".encode()))
    assert refused.value.status == 403


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "application/x-www-form-urlencoded", 403),
        (b"form_token=", "application/x-www-form-urlencoded", 403),
        (b"a=1&a=2", "application/x-www-form-urlencoded", 400),
        (b"{}", "application/json", 400),
        (b"a=1", "text/plain", 400),
        (b"a=\xff", "application/x-www-form-urlencoded", 403),
        (b"&".join([b"a=1"] * 60), "application/x-www-form-urlencoded", 403),
        (b"a=" + b"x" * MOST_BYTES, "application/x-www-form-urlencoded", 413),
    ],
)
async def test_what_is_no_form_of_a_page_is_refused(body: bytes, kind: str, status: int) -> None:
    """Another kind, a field twice, too many or too much: nothing of it is used."""
    with pytest.raises(PageFault) as refused:
        await FORMS.read(form_of(body, kind))
    assert refused.value.status == status


async def test_a_form_without_an_end_is_not_kept() -> None:
    """A form is read within its bound, whatever its length says."""
    taken = 0

    async def endless() -> AsyncIterator[dict[str, Any]]:
        nonlocal taken
        while True:
            taken += 1
            yield {"type": "http.request", "body": b"x" * 1024, "more_body": True}

    request = form_of(b"")
    parts = endless()
    with pytest.raises(PageFault):
        await FORMS.read(Request(request.scope, parts.__anext__))
    assert taken == MOST_BYTES // 1024 + 1
