"""A NATS micro service: found, pinged and counted by the standard tools (`nats micro`).

nats-py handles one request at a time; here up to `slots` are. What a handler raises is told to who
asked as an error: `Refused` with its words, anything else without any, as they could be secret.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from msgspec import Struct

from imagedrift_runtime.answers import Refused

log = structlog.get_logger()

Handler = Callable[[bytes], Awaitable[bytes]]

_CODE, _TEXT = "Nats-Service-Error-Code", "Nats-Service-Error"


class Service(Struct, frozen=True):
    """What a micro service says of itself, and where it is asked."""

    name: str
    version: str
    description: str
    endpoint: str
    subject: str


class Running:
    """A started micro service."""

    def __init__(self, handler: Handler, slots: int) -> None:
        self.service: Any = None
        self._handler = handler
        self._slots = asyncio.Semaphore(slots)
        self._tasks: set[asyncio.Task[None]] = set()

    async def accept(self, request: Any) -> None:
        """Take a slot and answer in it."""
        await self._slots.acquire()
        task = asyncio.create_task(self._answer(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self) -> None:
        """Take no more requests and finish those that were taken."""
        await self.service.stop()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _answer(self, request: Any) -> None:
        try:
            try:
                await request.respond(await self._handler(request.data))
            except Refused as refused:
                await request.respond_error(refused.code, refused.text)
            except Exception:
                log.exception("request.failed", subject=request.subject)
                await request.respond_error("500", "a defect; the service's log tells more")
        except Exception as error:  # the answer could not be sent: who asked will time out
            log.warning("answer.failed", subject=request.subject, error=repr(error))
        finally:
            self._slots.release()


async def start(client: Any, service: Service, handler: Handler, slots: int) -> Running:
    """Announce the service and answer on its subject, shared with other replicas."""
    from nats.micro import add_service  # noqa: PLC0415 - only the resolver serves

    running = Running(handler, slots)
    running.service = await add_service(
        client, name=service.name, version=service.version, description=service.description
    )
    await running.service.add_endpoint(
        name=service.endpoint, subject=service.subject, handler=running.accept
    )
    return running


def refusal(headers: Mapping[str, str] | None) -> Refused | None:
    """Read the error out of an answer's headers, if it is one."""
    if not headers or _CODE not in headers:
        return None
    return Refused(headers[_CODE], headers.get(_TEXT, ""))
