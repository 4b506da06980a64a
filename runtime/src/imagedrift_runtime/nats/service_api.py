"""A NATS micro service: found, pinged and counted by the standard tools (`nats micro`).

nats-py handles one request at a time; here up to `slots` are. An exception of a handler becomes an
error for the caller: `RequestRefused` with its words, any other without, as they could be secret.

nats-py would count the time until a request has its slot, and no errors: we count ourselves, as
the specification of services has it (nats-architecture-and-design, ADR-32).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec import Struct

from imagedrift_runtime.logs import get_logger
from imagedrift_runtime.nats.errors import RequestRefused

log = get_logger()

RequestHandler = Callable[[bytes], Awaitable[bytes]]

DEFECT = RequestRefused("500", "a defect; the service's log tells more")
_CODE, _TEXT = "Nats-Service-Error-Code", "Nats-Service-Error"


class ServiceDescription(Struct, frozen=True):
    """A micro service as its tools show it, and the subject that it answers on."""

    name: str
    version: str
    description: str
    endpoint: str
    subject: str


class EndpointCounts:
    """The counts of an endpoint's requests."""

    def __init__(self) -> None:
        self._answered = 0
        self._errors = 0
        self._last_error = ""
        self._took_ns = 0

    def answered(self, took_ns: int, refusal: RequestRefused | None) -> None:
        """Count a request, and the error that it was answered with."""
        self._answered += 1
        self._took_ns += took_ns
        if refusal:
            self._errors += 1
            self._last_error = f"{refusal.code}:{refusal.text}"

    def tell(self, stats: Any) -> None:
        """Write the counts into nats-py's statistics of an endpoint, which add no `data`."""
        stats.num_errors = self._errors
        stats.last_error = self._last_error
        stats.processing_time = self._took_ns
        stats.average_processing_time = self._took_ns // max(self._answered, 1)


class RunningService:
    """A started micro service."""

    def __init__(self, handler: RequestHandler, slots: int) -> None:
        self.service: Any = None
        self.counts = EndpointCounts()
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
        began = time.perf_counter_ns()
        answer, refusal = await self._outcome(request)
        try:
            if refusal:
                await request.respond_error(refusal.code, refusal.text)
            else:
                await request.respond(answer)
        except Exception as error:  # the answer could not be sent: who asked will time out
            log.warning("answer.failed", subject=request.subject, error=repr(error))
        finally:
            self.counts.answered(time.perf_counter_ns() - began, refusal)
            self._slots.release()

    async def _outcome(self, request: Any) -> tuple[bytes, RequestRefused | None]:
        try:
            return await self._handler(request.data), None
        except RequestRefused as refused:
            return b"", refused
        except Exception:
            log.exception("request.failed", subject=request.subject)
            return b"", DEFECT


async def start(
    client: Any, service: ServiceDescription, handler: RequestHandler, slots: int
) -> RunningService:
    """Announce the service and answer on its subject, shared with other replicas."""
    from nats.micro import add_service  # noqa: PLC0415 - only the resolver serves

    running = RunningService(handler, slots)
    running.service = await add_service(
        client,
        name=service.name,
        version=service.version,
        description=service.description,
        stats_handler=running.counts.tell,
    )
    await running.service.add_endpoint(
        name=service.endpoint, subject=service.subject, handler=running.accept
    )
    return running


def refusal(headers: Mapping[str, str] | None) -> RequestRefused | None:
    """Read the error out of an answer's headers, if it is one."""
    if not headers or _CODE not in headers:
        return None
    return RequestRefused(headers[_CODE], headers.get(_TEXT, ""))
