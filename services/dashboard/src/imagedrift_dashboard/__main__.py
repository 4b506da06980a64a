"""`imagedrift-dashboard`: wires the pages and serves them until it is told to stop."""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from imagedrift_dashboard.adapters import changes, database, http_server, web
from imagedrift_dashboard.adapters.changes import ChangeFeed
from imagedrift_dashboard.adapters.forms import FormReader
from imagedrift_dashboard.adapters.web import SignInParts
from imagedrift_dashboard.core.cookie_key import LEAST_BYTES, CookieKey
from imagedrift_dashboard.core.sessions import Sessions
from imagedrift_dashboard.settings import DashboardSettings
from imagedrift_runtime import process, tls
from imagedrift_runtime.clock import SystemClock
from imagedrift_runtime.process import Process

SERVICE = "imagedrift-dashboard"
ABOUT = "imagedrift-dashboard: the fleet on web pages."
PART = "pages"


async def start(settings: DashboardSettings, run: Process) -> None:
    """Serve until asked to stop."""
    rules, feed, stopping = settings.access, ChangeFeed(), run.stopping
    forms = FormReader(CookieKey(settings.session_key.encode() or secrets.token_bytes(LEAST_BYTES)))
    with http_server.listening_on(settings.address, settings.port) as listening:
        async with (
            database.open_reader(settings.database_url, logins=settings.login_urls) as reader,
            _sign_in(settings, forms, feed) as sign_in,
        ):
            application = web.application(reader, feed, rules, SystemClock(), forms, sign_in)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(feed.close_at(stopping))
                hearing = tasks.create_task(
                    changes.listen(feed, settings.nats_url, settings.nats, stopping)
                )
                run.health.ready(PART)
                await http_server.serve(application, listening, stopping)
                hearing.cancel()


@asynccontextmanager
async def _sign_in(
    settings: DashboardSettings, forms: FormReader, feed: ChangeFeed
) -> AsyncIterator[SignInParts | None]:
    """Make the sign-in, where the settings have a provider; else its libraries are not loaded."""
    client, clock = settings.oidc, SystemClock()
    if client is None:
        yield None
        return
    from imagedrift_dashboard.adapters import oidc_client, sign_in  # noqa: PLC0415 - 14 MB

    sessions = Sessions(forms.key, timedelta(hours=settings.session_hours), settings.roles)
    context = tls.context_for(settings.oidc_ca)
    async with oidc_client.open_client(client, context, clock) as oidc:
        pages = sign_in.SignInPages(oidc, sessions, forms, feed, clock)
        yield SignInParts(sessions, pages.routes)


def main() -> int:
    """Run the service and return the exit code."""
    return process.run(SERVICE, DashboardSettings, start, about=ABOUT, parts=(PART,))


if __name__ == "__main__":
    sys.exit(main())
