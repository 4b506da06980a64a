"""Names are resolved without being in each other's way (P6)."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import msgspec
import pytest

from imagedrift_resolver.adapters.host_names import (
    DOUBTFUL,
    MOST_ADDRESSES,
    NEW,
    LookUp,
    NameLimits,
    Names,
)
from imagedrift_resolver.adapters.request_failed import RequestFailed
from support.polling import until
from support.virtual_time import StillClock


class NameServers:
    """Knows every name but the dead ones, whose look-up hangs until they are let go."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.let_go = threading.Event()
        self.are_dead = False
        self.error = 0

    def look_up(self, host: str) -> list[str]:
        """Return an address, or hang."""
        self.asked.append(host)
        if self.error:
            raise socket.gaierror(self.error, "")
        if self.are_dead or host.startswith("dead"):
            self.let_go.wait(30)
            raise OSError("no answer")
        if host.startswith("unknown"):
            raise OSError("no such name")
        return ["192.0.2.1"]


@contextmanager
def name_servers() -> Iterator[NameServers]:
    """Have name servers, and let go of whoever waits for them at the end."""
    servers = NameServers()
    try:
        yield servers
    finally:
        servers.let_go.set()


def names_by(look_up: LookUp, clock: StillClock | None = None, **limits: float) -> Names:
    """Resolve names with other limits than everywhere."""
    return Names(look_up, msgspec.convert(limits, NameLimits), clock or StillClock())


async def failure(names: Names, host: str) -> str:
    """Resolve a name in vain; why."""
    with pytest.raises(RequestFailed) as fault:
        await names.addresses(host)
    return str(fault.value)


async def test_dead_names_do_not_hold_up_a_healthy_one() -> None:
    """64 names with dead servers do not delay a new one."""
    with name_servers() as servers:
        names = names_by(servers.look_up)
        dead = [asyncio.create_task(failure(names, f"dead{n}.example")) for n in range(64)]
        await asyncio.sleep(0)
        began = time.monotonic()
        assert await names.addresses("healthy.example") == ("192.0.2.1",)
        assert time.monotonic() - began < 1
        for task in dead:
            task.cancel()
        await names.close()


async def test_a_name_that_resolved_before_has_threads_of_its_own() -> None:
    """Names that resolved before have threads of their own."""
    with name_servers() as servers:
        names = names_by(servers.look_up, kept_s=0.0)
        await names.addresses("healthy.example")
        dead = [asyncio.create_task(failure(names, f"dead{n}.example")) for n in range(NEW + 50)]
        await asyncio.sleep(0)
        began = time.monotonic()
        assert await names.addresses("healthy.example") == ("192.0.2.1",)
        assert time.monotonic() - began < 1
        assert servers.asked.count("healthy.example") == 2
        for task in dead:
            task.cancel()
        await names.close()


async def test_names_that_failed_hold_few_threads() -> None:
    """Names that failed are tried again in few threads."""
    with name_servers() as servers:
        names = names_by(servers.look_up, within_s=30.0, failed_kept_s=0.0)
        hosts = [f"dead{n}.example" for n in range(NEW)]
        servers.let_go.set()
        await asyncio.gather(*(failure(names, host) for host in hosts))
        servers.let_go.clear()
        servers.asked.clear()
        again = [asyncio.create_task(failure(names, host)) for host in hosts]
        await until(lambda: len(servers.asked) >= DOUBTFUL, what="every thread has a name")
        assert len(servers.asked) == DOUBTFUL
        assert not any(task.done() for task in again)
        for task in again:
            task.cancel()
        await names.close()


async def test_a_look_up_that_takes_too_long_is_given_up() -> None:
    """A look-up that takes too long is abandoned with a reason."""
    with name_servers() as servers:
        names = names_by(servers.look_up, within_s=0.05, failed_kept_s=0.0)
        for _ in range(3):
            assert "does not resolve: no answer in" in await failure(names, "dead.example")
        assert servers.asked == ["dead.example"]
        await names.close()


async def test_a_name_whose_servers_have_died_keeps_its_addresses() -> None:
    """A name whose servers died keeps its addresses for an hour."""
    clock, hour = StillClock(), 3600.0
    with name_servers() as servers:
        names = names_by(servers.look_up, clock, stale_after_s=0.05, within_s=1.0, stale_s=hour)
        await names.addresses("healthy.example")
        servers.are_dead = True
        clock.at += hour - 1
        assert await names.addresses("healthy.example") == ("192.0.2.1",)
        clock.at += hour
        assert "no answer" in await failure(names, "healthy.example")
        await names.close()


@pytest.mark.parametrize(
    ("error", "remains"),
    [(socket.EAI_AGAIN, True), (socket.EAI_NONAME, False)],
)
async def test_a_name_is_gone_only_by_a_name_servers_word(error: int, remains: bool) -> None:
    """Only a name server's answer removes the addresses of a name."""
    with name_servers() as servers:
        names = names_by(servers.look_up, kept_s=0.0)
        await names.addresses("a.example")
        servers.error = error
        for _ in range(2):
            if remains:
                assert await names.addresses("a.example") == ("192.0.2.1",)
            else:
                assert await failure(names, "a.example") == "its name does not resolve"


async def test_a_name_with_any_number_of_addresses_has_a_bounded_one() -> None:
    """The number of a name's addresses is bounded."""
    names = names_by(lambda _: [f"192.0.{n // 256}.{n % 256}" for n in range(5000)])
    assert len(await names.addresses("many.example")) == MOST_ADDRESSES


async def test_names_that_fail_do_not_drive_out_one_that_resolved() -> None:
    """Names that fail displace none that resolved."""
    with name_servers() as servers:
        names = names_by(servers.look_up, most_kept=10, most_failed=5)
        unknown = [f"unknown{number}.example" for number in range(30)]
        for host in ("healthy.example", *unknown, "healthy.example", unknown[0]):
            with suppress(RequestFailed):
                await names.addresses(host)
        assert servers.asked == ["healthy.example", *unknown, unknown[0]]


async def test_many_who_ask_for_one_name_make_one_look_up() -> None:
    """Many requests for one name make one look-up."""
    with name_servers() as servers:
        names = names_by(servers.look_up)
        await asyncio.gather(*(names.addresses("a.example") for _ in range(20)))
        await names.addresses("a.example")
        reasons = {await failure(names, "unknown.example") for _ in range(3)}
        assert servers.asked == ["a.example", "unknown.example"]
        assert reasons == {"its name does not resolve"}


async def test_one_who_stops_waiting_takes_nothing_from_the_others() -> None:
    """Later look-ups of the same name still get its addresses."""
    with name_servers() as servers:
        names = names_by(servers.look_up)
        impatient = asyncio.create_task(names.addresses("a.example"))
        patient = asyncio.create_task(names.addresses("a.example"))
        await asyncio.sleep(0)
        impatient.cancel()
        assert await patient == ("192.0.2.1",)


async def test_an_address_is_not_looked_up() -> None:
    """An address is used without a look-up."""
    with name_servers() as servers:
        names = names_by(servers.look_up)
        assert await names.addresses("10.0.0.1") == ("10.0.0.1",)
        assert await names.addresses("fd00::1") == ("fd00::1",)
        assert servers.asked == []


async def test_what_is_remembered_is_bounded() -> None:
    """The cache of names is bounded, and the least recently used one goes first."""
    with name_servers() as servers:
        names = names_by(servers.look_up, most_kept=2)
        for host in ("a.example", "b.example", "c.example", "a.example"):
            await names.addresses(host)
        assert servers.asked == ["a.example", "b.example", "c.example", "a.example"]
