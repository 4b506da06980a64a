"""The channel of a route: the files of its address and key are read for each message."""

import asyncio
import logging
from pathlib import Path

import pytest
from msgspec.structs import replace

from imagedrift_notifier.adapters.channels import Channels, route_faults
from imagedrift_notifier.adapters.routes_file import load
from imagedrift_notifier.core.outcome import Delivered, Failed
from imagedrift_runtime.clock import SystemClock
from support.notifier import TOKEN, Receiver, outbound_message, write_routes

MESSAGE = outbound_message(route="ops", channel="webhook")


async def test_each_route_uses_its_channel(receiving: Receiver, tmp_path: Path) -> None:
    """A webhook is posted, and the rest goes by Apprise."""
    routes = load(str(write_routes(tmp_path, receiving.url, ops="", chat=""))).routes
    channels = Channels(SystemClock())

    for route in routes.values():
        assert route_faults(route) == []
        assert await channels.send(route, MESSAGE) == Delivered()

    assert [each.path.split("/")[1] for each in receiving.received] == ["hook", "chat"]


async def test_a_secret_that_was_changed_counts_for_the_next_message(
    receiving: Receiver, tmp_path: Path
) -> None:
    """An address and a key are changed without a restart; what is wrong is told by its file."""
    [ops] = load(str(write_routes(tmp_path, receiving.url, ops=""))).routes.values()
    channels = Channels(SystemClock())
    (tmp_path / "hook").write_text(f"{receiving.url}/new")
    assert await channels.send(ops, MESSAGE) == Delivered()
    assert receiving.received[0].path == "/new"

    (tmp_path / "key").write_text(TOKEN)
    for outcome in (await channels.send(ops, MESSAGE), Failed(*route_faults(ops))):
        assert isinstance(outcome, Failed)
        assert f"secret_file: '{tmp_path}/key': write a key as whsec_" in outcome.reason
        assert TOKEN not in outcome.reason
    gone = replace(ops, address_file=str(tmp_path / "gone"))
    assert await channels.send(gone, MESSAGE) == Failed(
        f"webhook_file: '{tmp_path}/gone' cannot be read: No such file or directory"
    )


async def test_a_wrong_address_is_told_by_its_file(receiving: Receiver, tmp_path: Path) -> None:
    """A fault of either channel names route and file, and no part of the address."""
    routes = load(str(write_routes(tmp_path, receiving.url, ops="", chat=""))).routes
    (tmp_path / "hook").write_text(TOKEN)
    (tmp_path / "chat").write_text(TOKEN)

    faults = [fault for route in routes.values() for fault in route_faults(route)]

    assert [fault.split(": ")[:2] for fault in faults] == [
        ["route.ops.webhook_file", f"'{tmp_path}/hook'"],
        ["route.chat.apprise_file", f"'{tmp_path}/chat'"],
    ]
    assert TOKEN not in "".join(faults)


@pytest.mark.parametrize("status", [200, 500])
async def test_no_log_of_any_library_has_a_part_of_an_address(
    receiving: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """Neither a message that arrives nor one that fails shows its address to whoever debugs."""
    routes = load(str(write_routes(tmp_path, receiving.url, ops="", chat=""))).routes
    channels = Channels(SystemClock())
    receiving.status = status
    asyncio.get_running_loop().set_debug(True)
    with caplog.at_level(logging.DEBUG):
        for route in routes.values():
            await channels.send(route, MESSAGE)
            (tmp_path / ("hook" if route.name == "ops" else "chat")).write_text(f"x://{TOKEN}")
            await channels.send(route, MESSAGE)

    assert len(receiving.received) == 2
    assert "asyncio" in {each.name for each in caplog.records}
    assert TOKEN not in caplog.text
