"""Addresses of host names, looked up so that no name is ever in the way of another one (P6).

`getaddrinfo` takes a thread until it returns: with dead name servers that is half a minute, and
anybody who can name an image can name many such. So:

- A name has one look-up at a time, however many ask for it; who waits longer than `within_s` is
  told so, and the thread is left to itself.
- Threads are shared out by what is known of a name: those that have resolved before have their own
  (`PROVEN`), and those that failed last time may hold few (`DOUBTFUL`), so that new ones (`NEW`)
  find room.
- What came of a look-up is kept for a while, failures for less. Who connects checks the address
  that is connected to, kept or not.
- A name that resolved within `stale_s` and whose servers say nothing for `stale_after_s` has the
  addresses of before (RFC 8767): those who ask a registry that answers wait for no dead server.
"""

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple

from msgspec import Struct

from imagedrift_resolver.adapters.request_failed import RequestFailed
from imagedrift_resolver.core.bounded_map import Bound, BoundedMap
from imagedrift_runtime.clock import Clock

MOST_ADDRESSES: Final = 64
"""Of one name: what its owner says may be as long as he likes."""
BYTES: Final = 16 * 1024 * 1024
PROVEN: Final = 32
NEW: Final = 128
DOUBTFUL: Final = 32

LookUp = Callable[[str], list[str]]
"""Returns the addresses of a name, in order of preference; it may block. Raises `OSError`."""


def look_up(host: str) -> list[str]:
    """Ask the machine's own resolver."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class NameLimits(Struct, frozen=True, kw_only=True):
    """How long look-ups may take, and how long and how many of their results are kept."""

    within_s: float = 3.0
    kept_s: float = 30.0
    failed_kept_s: float = 5.0
    stale_after_s: float = 1.0
    stale_s: float = 3600.0
    most_kept: int = 10_000
    most_failed: int = 2_000


class _KnownAddresses(NamedTuple):
    until: float
    found: tuple[str, ...]
    at: float
    """When they were looked up."""


class Names:
    """Resolves names, each once at a time, and remembers the outcome."""

    def __init__(self, look_up: LookUp, limits: NameLimits, clock: Clock) -> None:
        self._look_up = look_up
        self._limits = limits
        self._clock = clock
        self._kept: BoundedMap[str, _KnownAddresses] = BoundedMap(
            Bound(limits.most_kept, BYTES), Bound(limits.most_failed, BYTES)
        )
        self._running: dict[str, tuple[float, asyncio.Task[tuple[str, ...]]]] = {}
        self._proven, self._new, self._doubtful = map(asyncio.Semaphore, (PROVEN, NEW, DOUBTFUL))

    async def addresses(self, host: str) -> tuple[str, ...]:
        """Return a name's addresses. Raises `RequestFailed` when there are none to be had."""
        if _is_address(host):
            return (host,)
        kept = self._kept.get(host)
        if kept and self._clock.monotonic() < kept.until:
            if not kept.found:
                raise RequestFailed("dns", "its name does not resolve")
            return kept.found
        stale = kept if kept and self._may_serve(kept) else None
        within_s = self._limits.stale_after_s if stale else self._limits.within_s
        began, task = self._running.get(host) or self._begin(host)
        try:
            async with asyncio.timeout(began + within_s - self._clock.monotonic()):
                return await asyncio.shield(task)
        except TimeoutError:
            if stale:
                self._keep(host, stale.found, self._limits.failed_kept_s, stale.at)
                return stale.found
            self._keep(host, (), self._limits.failed_kept_s)
            raise RequestFailed(
                "dns", f"its name does not resolve: no answer in {within_s:.0f} s"
            ) from None
        except (OSError, ValueError) as error:
            if stale and _is_no_answer(error):
                return stale.found
            raise RequestFailed("dns", "its name does not resolve") from None

    async def close(self) -> None:
        """Wait for no look-up any longer."""
        for _, task in list(self._running.values()):
            task.cancel()

    def _begin(self, host: str) -> tuple[float, "asyncio.Task[tuple[str, ...]]"]:
        task = asyncio.create_task(self._resolve(host, self._share(host)))
        self._running[host] = (self._clock.monotonic(), task)
        task.add_done_callback(lambda ended: self._end(host, ended))
        return self._running[host]

    def _end(self, host: str, task: "asyncio.Task[tuple[str, ...]]") -> None:
        self._running.pop(host, None)
        if task.cancelled():
            return
        error = task.exception()
        kept = self._kept.get(host)
        if kept and self._may_serve(kept) and _is_no_answer(error):
            self._keep(host, kept.found, self._limits.failed_kept_s, kept.at)
            return
        found = () if error else task.result()
        self._keep(host, found, self._limits.kept_s if found else self._limits.failed_kept_s)

    def _keep(
        self, host: str, found: tuple[str, ...], seconds: float, at: float | None = None
    ) -> None:
        size = 400 + len(host) + 100 * len(found)
        now = self._clock.monotonic()
        entry = _KnownAddresses(now + seconds, found, now if at is None else at)
        self._kept.put(host, entry, size, is_proven=bool(found))

    def _may_serve(self, kept: _KnownAddresses) -> bool:
        """Tell whether kept addresses will do while no name server answers."""
        return bool(kept.found) and self._clock.monotonic() - kept.at < self._limits.stale_s

    def _share(self, host: str) -> asyncio.Semaphore:
        """Return the share of threads that a name may take one of."""
        kept = self._kept.get(host)
        if kept is None:
            return self._new
        return self._proven if kept.found else self._doubtful

    async def _resolve(self, host: str, share: asyncio.Semaphore) -> tuple[str, ...]:
        async with asyncio.timeout(self._limits.within_s):
            await share.acquire()
        try:
            return await _in_thread(self._look_up, host)
        finally:
            share.release()


async def _in_thread(look_up: LookUp, host: str) -> tuple[str, ...]:
    """Look a name up in a thread of its own, which does not keep the process from ending."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[tuple[str, ...]] = loop.create_future()

    def set_result(found: tuple[str, ...], error: Exception | None) -> None:
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
            found = tuple(look_up(host)[:MOST_ADDRESSES])
        except Exception as raised:  # a name may be anything, and so may its fault be
            error = raised if isinstance(raised, OSError) else OSError(str(raised))
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(set_result, found, error)

    threading.Thread(target=run, name="look-up", daemon=True).start()
    return await done


def _is_no_answer(error: BaseException | None) -> bool:
    """Tell whether no name server answered, rather than said that there is no such name."""
    return isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
