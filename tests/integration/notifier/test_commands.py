"""The command of an operator: a test message, and a preview that changes nothing."""

from pathlib import Path

from msgspec.structs import replace

from imagedrift_notifier import commands
from imagedrift_notifier.core.schedule import RouteSchedule
from support.decided_fleet import REFERENCES
from support.notifier import FAIL, Receiver, execute, route, write_routes
from support.operator import Operator


async def test_a_test_message_says_that_it_is_one(receiving: Receiver, tmp_path: Path) -> None:
    """A test message goes by the route's own channel, and a failure is told."""
    [ops] = commands.load(str(write_routes(tmp_path, receiving.url, ops=""))).routes.values()

    assert await commands.send_test(ops, "") == ""
    receiving.status = 500
    assert await commands.send_test(ops, "") == "answered with status 500"

    assert receiving.received[0].read["data"]["test"] is True
    assert receiving.received[0].is_signed
    assert commands.file_faults(commands.load(str(tmp_path / "routes.toml"))) == []


async def test_a_preview_writes_every_message_and_changes_nothing(dsn: str) -> None:
    """Each route shows all that is due on its hosts; nothing is claimed."""
    await execute(dsn, FAIL)
    digest = route(
        "weekly", schedule=RouteSchedule(digest="0 8 * * *"), kinds=("outdated", "error")
    )
    narrow = replace(route("narrow"), registries=("ghcr.io",))

    made = await commands.preview(dsn, [digest, narrow], "")

    titles = [(each.route, each.content.title) for each in made]
    assert titles == [
        ("weekly", "5 images to update"),
        ("weekly", "ghcr.io cannot be asked: 1 reference"),
        ("narrow", f"{REFERENCES[3]} was replaced: 3 hosts to update"),
    ]
    assert await Operator(dsn).ask("SELECT FROM notify.routes") == []


def test_a_route_says_when_it_sends() -> None:
    """The next moment is told, of a digest as well."""
    assert commands.when(route()).startswith("now, next at 20")
    weekly = route(schedule=RouteSchedule(digest="0 8 * * MON"))
    assert commands.when(weekly).startswith("digest 0 8 * * MON (UTC), next at 20")
