"""The command of an operator, `imagedrift notify`: a test message, and what would be told now."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

from msgspec import Struct

from imagedrift_notifier.adapters import channels, routes_file
from imagedrift_notifier.adapters.channels import Channels
from imagedrift_notifier.adapters.database import open_database
from imagedrift_notifier.adapters.due_views import DueViews
from imagedrift_notifier.core.bundle import bundles
from imagedrift_notifier.core.content import MessageContent, trial_content, write
from imagedrift_notifier.core.due_group import DueGroup
from imagedrift_notifier.core.outbound import OutboundMessage
from imagedrift_notifier.core.outcome import Delivered
from imagedrift_notifier.core.route import MessageRoute, Routes
from imagedrift_notifier.core.schedule import send_time
from imagedrift_notifier.errors import DatabaseUnreachable
from imagedrift_runtime.clock import SystemClock, now

__all__ = ["DatabaseUnreachable", "Preview", "file_faults", "load", "preview", "send_test", "when"]

load = routes_file.load


class Preview(Struct, frozen=True):
    """A message that a route would send."""

    route: str
    content: MessageContent


def file_faults(routes: Routes) -> list[str]:
    """List the faults of the files that the routes name."""
    return [fault for route in routes.routes.values() for fault in channels.route_faults(route)]


def when(route: MessageRoute) -> str:
    """Say when something that is noted now would be sent."""
    schedule = route.schedule
    kind = f"digest {schedule.digest} ({schedule.zone})" if schedule.digest else "now"
    spans = ", ".join(map(str, schedule.quiet))
    quiet = f", quiet {spans} ({schedule.zone})" if spans else ""
    return f"{kind}{quiet}, next at {send_time(schedule, now()):%Y-%m-%d %H:%M} UTC"


async def send_test(route: MessageRoute, page: str) -> str:
    """Send a test message; return its fault, or nothing."""
    content = trial_content(route.name, page)
    message = OutboundMessage(
        message_id=f"msg_test_{uuid4().hex}",
        route=route.name,
        channel=route.channel,
        created_at=now(),
        title=content.title,
        body=content.body,
        payload=content.payload,
        attempts=1,
        age=timedelta(),
    )
    outcome = await Channels(SystemClock()).send(route, message)
    return "" if isinstance(outcome, Delivered) else outcome.reason


async def preview(dsn: str, routes: Sequence[MessageRoute], page: str) -> list[Preview]:
    """Write the messages of each route about all due images, as if it had told nothing before.

    Nothing is sent, and nothing is claimed. Raises `DatabaseUnreachable`.
    """
    async with open_database(dsn) as database:
        views = DueViews(database)
        portions, errors = await views.portions(await views.references()), await views.errors()
        made: list[Preview] = []
        for route in routes:
            groups = [
                group
                for portion in portions
                for group in await views.of_references(route.hosts, route.kinds, portion)
                if route.tells_of(group.topic.reference)
            ]
            groups += _of_route(route, errors)
            made += [
                Preview(route.name, write(route.name, bundle, page))
                for bundle in bundles(route, groups)
            ]
        return made


def _of_route(route: MessageRoute, errors: Sequence[DueGroup]) -> list[DueGroup]:
    if "error" not in route.kinds:
        return []
    return [group for group in errors if route.tells_of(group.topic.reference)]
