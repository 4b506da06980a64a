"""How a fault changes an answer on its way out."""

import asyncio

from aiohttp import web
from multidict import CIMultiDict

from imagedrift_sandbox.registry.faults import Fault

ENDLESS_CHUNK = b"\n" * 65_536
FRAMING = ("Content-Length", "Transfer-Encoding")


def replacement(fault: Fault, path_and_query: str) -> web.Response | None:
    """The answer that a fault gives in place of the registry's, if it does."""
    if fault.redirect is not None:
        where = fault.redirect.rstrip("/") + path_and_query
        return web.Response(status=fault.status or 307, headers={"Location": where})
    if fault.status is None and fault.body is None:
        return None
    body = fault.body
    content_type = fault.content_type or "application/json"
    if body is None:
        code = {429: "TOOMANYREQUESTS", 401: "UNAUTHORIZED", 403: "DENIED"}.get(
            fault.status or 0, "UNAVAILABLE"
        )
        body = f'{{"errors":[{{"code":"{code}","message":"injected fault"}}]}}'
    headers = {"Content-Type": content_type} if body else {}
    return web.Response(status=fault.status or 200, body=body.encode(), headers=headers)


def reheaded(fault: Fault, response: web.Response) -> web.Response:
    """The same answer with the fault's headers."""
    for name in fault.omit:
        response.headers.popall(name, None)
    for name, value in fault.headers.items():
        response.headers[name] = value
    if fault.content_type is not None:
        response.headers["Content-Type"] = fault.content_type
    return response


def is_slow(fault: Fault) -> bool:
    """Whether the body has to be sent piece by piece."""
    return fault.endless or fault.truncate is not None or fault.drip_s is not None


async def send_badly(
    fault: Fault, request: web.BaseRequest, whole: web.Response
) -> web.StreamResponse:
    """Send the body cut short, drop by drop, or without end."""
    body = whole.body if isinstance(whole.body, bytes) else b""
    headers = CIMultiDict(whole.headers)
    for name in FRAMING:
        headers.popall(name, None)
    answer = web.StreamResponse(status=whole.status, headers=headers)
    if not fault.endless:
        answer.content_length = len(body)
    await answer.prepare(request)
    if fault.endless:
        while True:
            await answer.write(ENDLESS_CHUNK)
    if fault.truncate is not None:
        await answer.write(body[: fault.truncate])
        cut(request)
        return answer
    for position in range(len(body)):
        await answer.write(body[position : position + 1])
        await asyncio.sleep(fault.drip_s or 0)
    await answer.write_eof()
    return answer


def cut(request: web.BaseRequest) -> None:
    """Close the connection after what was written so far."""
    if request.transport is not None:
        request.transport.close()
