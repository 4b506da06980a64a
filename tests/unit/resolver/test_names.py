"""Names are resolved without being in each other's way (P6)."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from imagedrift_resolver.adapters import names as resolving
from imagedrift_resolver.adapters.names import (
    DOUBTFUL,
    MOST_ADDRESSES,
    MOST_FAILED,
    MOST_KEPT,
    NEW,
    Names,
)
from imagedrift_resolver.adapters.request_failed import RequestFailed


class NameServers:
    """Knows every name but the dead ones, whose look-up hangs until they are let go."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.let_go = threading.Event()

    def look_up(self, host: str) -> list[str]:
        """Return an address, or hang."""
        self.asked.append(host)
        if host.startswith("dead"):
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


async def failure(names: Names, host: str) -> str:
    """Resolve a name in vain; why."""
    with pytest.raises(RequestFailed) as fault:
        await names.addresses(host)
    return str(fault.value)


async def test_dead_names_do_not_hold_up_a_healthy_one() -> None:
    """64 names with dead servers do not delay a new one."""
    with name_servers() as servers:
        names = Names(servers.look_up)
        dead = [asyncio.create_task(failure(names, f"dead{n}.example")) for n in range(64)]
        await asyncio.sleep(0)
        began = time.monotonic()
        assert await names.addresses("healthy.example") == ("192.0.2.1",)
        assert time.monotonic() - began < 1
        for task in dead:
            task.cancel()
        await names.close()


async def test_a_name_that_resolved_before_has_threads_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Names that resolved before have threads of their own."""
    monkeypatch.setattr(resolving, "KEPT_S", 0.0)
    with name_servers() as servers:
        names = Names(servers.look_up)
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


async def test_names_that_failed_hold_few_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that failed are tried again in few threads."""
    monkeypatch.setattr(resolving, "FAILED_KEPT_S", 0.0)
    monkeypatch.setattr(resolving, "WITHIN_S", 0.05)
    with name_servers() as servers:
        names = Names(servers.look_up)
        hosts = [f"dead{n}.example" for n in range(NEW)]
        await asyncio.gather(*(failure(names, host) for host in hosts))
        servers.let_go.set()
        await asyncio.gather(*(task for _, task in names._looking.values()), return_exceptions=True)
        servers.let_go.clear()
        servers.asked.clear()
        await asyncio.gather(*(failure(names, host) for host in hosts))
        assert len(servers.asked) == DOUBTFUL
        await names.close()


async def test_a_look_up_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look-up that takes too long is abandoned with a reason."""
    monkeypatch.setattr(resolving, "WITHIN_S", 0.05)
    monkeypatch.setattr(resolving, "FAILED_KEPT_S", 0.0)
    with name_servers() as servers:
        names = Names(servers.look_up)
        for _ in range(3):
            assert "does not resolve: no answer in" in await failure(names, "dead.example")
        assert servers.asked == ["dead.example"]
        await names.close()


async def test_a_name_whose_servers_have_died_keeps_its_addresses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name whose servers died keeps its addresses for a while."""
    monkeypatch.setattr(resolving, "KEPT_S", 0.0)
    monkeypatch.setattr(resolving, "STALE_AFTER_S", 0.05)
    with name_servers() as servers:
        names = Names(servers.look_up)
        await names.addresses("healthy.example")
        names._look_up = lambda _: servers.look_up("dead.example")
        assert await names.addresses("healthy.example") == ("192.0.2.1",)
        monkeypatch.setattr(resolving, "STALE_S", 0.0)
        monkeypatch.setattr(resolving, "WITHIN_S", 0.05)
        monkeypatch.setattr(resolving, "FAILED_KEPT_S", 0.0)
        names._keep("healthy.example", ("192.0.2.1",), 0.0)
        assert "no answer" in await failure(names, "healthy.example")
        await names.close()


@pytest.mark.parametrize(
    ("error", "remains"),
    [(socket.EAI_AGAIN, True), (socket.EAI_NONAME, False)],
)
async def test_a_name_is_gone_only_by_a_name_servers_word(
    monkeypatch: pytest.MonkeyPatch, error: int, remains: bool
) -> None:
    """Only a name server's answer removes the addresses of a name."""
    monkeypatch.setattr(resolving, "KEPT_S", 0.0)
    names = Names(lambda _: ["192.0.2.1"])
    await names.addresses("a.example")

    def fail(_: str) -> list[str]:
        raise socket.gaierror(error, "")

    names._look_up = fail
    for _ in range(2):
        if remains:
            assert await names.addresses("a.example") == ("192.0.2.1",)
        else:
            assert await failure(names, "a.example") == "its name does not resolve"


async def test_a_name_with_any_number_of_addresses_has_a_bounded_one() -> None:
    """The number of a name's addresses is bounded."""
    names = Names(lambda _: [f"192.0.{n // 256}.{n % 256}" for n in range(5000)])
    assert len(await names.addresses("many.example")) == MOST_ADDRESSES


async def test_names_that_fail_do_not_drive_out_one_that_resolved() -> None:
    """Names that fail displace none that resolved."""
    with name_servers() as servers:
        names = Names(servers.look_up)
        await names.addresses("healthy.example")
        for number in range(2 * MOST_KEPT):
            names._keep(f"unknown{number}.example", (), 60.0)
        await names.addresses("healthy.example")
        assert servers.asked == ["healthy.example"]
        assert len(names._kept) <= 1 + MOST_FAILED


async def test_many_who_ask_for_one_name_make_one_look_up() -> None:
    """Many requests for one name make one look-up."""
    with name_servers() as servers:
        names = Names(servers.look_up)
        await asyncio.gather(*(names.addresses("a.example") for _ in range(20)))
        await names.addresses("a.example")
        reasons = {await failure(names, "unknown.example") for _ in range(3)}
        assert servers.asked == ["a.example", "unknown.example"]
        assert reasons == {"its name does not resolve"}


async def test_one_who_stops_waiting_takes_nothing_from_the_others() -> None:
    """Later look-ups of the same name still get its addresses."""
    with name_servers() as servers:
        names = Names(servers.look_up)
        impatient = asyncio.create_task(names.addresses("a.example"))
        patient = asyncio.create_task(names.addresses("a.example"))
        await asyncio.sleep(0)
        impatient.cancel()
        assert await patient == ("192.0.2.1",)


async def test_an_address_is_not_looked_up() -> None:
    """An address is used without a look-up."""
    with name_servers() as servers:
        names = Names(servers.look_up)
        assert await names.addresses("10.0.0.1") == ("10.0.0.1",)
        assert await names.addresses("fd00::1") == ("fd00::1",)
        assert servers.asked == []


async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache of names is bounded, and the least recently used one goes first."""
    monkeypatch.setattr(resolving, "MOST_KEPT", 2)
    with name_servers() as servers:
        names = Names(servers.look_up)
        for host in ("a.example", "b.example", "c.example", "a.example"):
            await names.addresses(host)
        assert servers.asked == ["a.example", "b.example", "c.example", "a.example"]
