"""Names are resolved here, so that no name is ever in the way of another one (P6).

`getaddrinfo` takes a thread until it returns: with dead name servers that is half a minute, and
anybody who can name an image can name many such. So:

- A name has one look-up at a time, however many ask for it; who waits longer than `WITHIN_S` is
  told so, and the thread is left to itself.
- Threads are shared out by what is known of a name: those that have resolved before have their own
  (`PROVEN`), and those that failed last time may hold few (`DOUBTFUL`), so that new ones (`NEW`)
  find room.
- What came of a look-up is kept for a while, failures for less. Who connects checks the address
  that is connected to, kept or not.
"""

import asyncio
import ipaddress
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from imagedrift_resolver.adapters.sockets import Broken

WITHIN_S: Final = 3.0
KEPT_S: Final = 30.0
FAILED_KEPT_S: Final = 5.0
MOST_KEPT: Final = 10_000
PROVEN: Final = 32
NEW: Final = 128
DOUBTFUL: Final = 32

LookUp = Callable[[str], list[str]]
"""Returns the addresses of a name, in order of preference; it may block. Raises `OSError`."""


def look_up(host: str) -> list[str]:
    """Ask the machine's own resolver."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Names:
    """Resolves names, each once at a time, and remembers what came of it."""

    def __init__(self, look_up: LookUp = look_up) -> None:
        self._look_up = look_up
        self._kept: OrderedDict[str, tuple[float, tuple[str, ...]]] = OrderedDict()
        self._looking: dict[str, tuple[float, asyncio.Task[tuple[str, ...]]]] = {}
        self._proven, self._new, self._doubtful = map(asyncio.Semaphore, (PROVEN, NEW, DOUBTFUL))

    async def addresses(self, host: str) -> tuple[str, ...]:
        """Return a name's addresses. Raises `Broken` when there are none to be had."""
        if _is_address(host):
            return (host,)
        kept = self._kept.get(host)
        if kept and time.monotonic() < kept[0]:
            if not kept[1]:
                raise Broken("its name does not resolve")
            return kept[1]
        began, task = self._looking.get(host) or self._begin(host)
        try:
            async with asyncio.timeout(began + WITHIN_S - time.monotonic()):
                return await asyncio.shield(task)
        except TimeoutError:
            self._keep(host, (), FAILED_KEPT_S)
            raise Broken(f"its name does not resolve: no answer in {WITHIN_S:.0f} s") from None
        except (OSError, ValueError):
            raise Broken("its name does not resolve") from None

    async def close(self) -> None:
        """Wait for no look-up any longer."""
        for _, task in list(self._looking.values()):
            task.cancel()

    def _begin(self, host: str) -> tuple[float, "asyncio.Task[tuple[str, ...]]"]:
        task = asyncio.create_task(self._resolve(host, self._share(host)))
        self._looking[host] = (time.monotonic(), task)
        task.add_done_callback(lambda ended: self._end(host, ended))
        return self._looking[host]

    def _end(self, host: str, task: "asyncio.Task[tuple[str, ...]]") -> None:
        self._looking.pop(host, None)
        if task.cancelled():
            return
        found = () if task.exception() else task.result()
        self._keep(host, found, KEPT_S if found else FAILED_KEPT_S)

    def _keep(self, host: str, found: tuple[str, ...], seconds: float) -> None:
        self._kept[host] = (time.monotonic() + seconds, found)
        self._kept.move_to_end(host)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)

    def _share(self, host: str) -> asyncio.Semaphore:
        """Return the share of threads that a name may take one of."""
        kept = self._kept.get(host)
        if kept is None:
            return self._new
        return self._proven if kept[1] else self._doubtful

    async def _resolve(self, host: str, share: asyncio.Semaphore) -> tuple[str, ...]:
        async with asyncio.timeout(WITHIN_S):
            await share.acquire()
        try:
            return await _in_thread(self._look_up, host)
        finally:
            share.release()


async def _in_thread(look_up: LookUp, host: str) -> tuple[str, ...]:
    """Look a name up in a thread of its own, which does not keep the process from ending."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[tuple[str, ...]] = loop.create_future()

    def settle(found: tuple[str, ...], error: Exception | None) -> None:
        if done.done():
            return
        if error:
            done.set_exception(error)
        else:
            done.set_result(found)

    def run() -> None:
        found: tuple[str, ...] = ()
        error: Exception | None = None
        try:
            found = tuple(look_up(host))
        except Exception as raised:  # a name may be anything, and so may its fault be
            error = raised if isinstance(raised, OSError) else OSError(str(raised))
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, found, error)

    threading.Thread(target=run, name="look-up", daemon=True).start()
    return await done


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
