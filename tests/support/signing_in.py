"""The pages with a provider that signs viewers in, and a viewer who does."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import httpx

from imagedrift_dashboard.adapters import oidc_client
from imagedrift_dashboard.adapters.changes import ChangeFeed
from imagedrift_dashboard.adapters.forms import FormReader
from imagedrift_dashboard.adapters.sign_in import SignInPages
from imagedrift_dashboard.adapters.web import SignInParts
from imagedrift_dashboard.core.access import AccessRules
from imagedrift_dashboard.core.provider import ClientRegistration
from imagedrift_dashboard.core.sessions import Sessions
from imagedrift_runtime import tls
from imagedrift_runtime.clock import SystemClock
from support.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider, oidc_provider
from support.pages import KEY, OPERATOR, Browser, browser

PAGES: Final = "https://pages.example.org"
AS_PAGE: Final = {"accept": "text/html"}
ROLES: Final = {"sre": OPERATOR}


class SetClock(SystemClock):
    """The machine's clock, set forward by a test."""

    ahead = timedelta()
    seconds_ahead = 0.0

    def now(self) -> datetime:
        """Tell the time, as it was set."""
        return super().now() + self.ahead

    def monotonic(self) -> float:
        """Tell the seconds, as they were set."""
        return super().monotonic() + self.seconds_ahead


@dataclass
class SignInSite:
    """The pages, their provider, and what they know of sessions."""

    pages: Browser
    provider: OidcProvider
    sessions: Sessions
    feed: ChangeFeed
    clock: SetClock = field(default_factory=SetClock)

    @property
    def cookies(self) -> Mapping[str, str]:
        """The cookies that the viewer's browser has."""
        return dict(self.pages.client.cookies)

    async def callback(self, user: str = "ada", to: str = "/hosts") -> str:
        """Begin to sign in as a user; where the provider leads back to."""
        begun = await self.pages.response(to, 303, AS_PAGE)
        asked = await self.pages.response(begun.headers["location"], 303)
        async with httpx.AsyncClient() as elsewhere:
            shown = await elsewhere.get(asked.headers["location"])
            link = shown.text.partition(f"&amp;user={user}")[0].rpartition('"')[2]
            answer = await elsewhere.get(f"{self.provider.url}{link}&user={user}")
        return str(answer.headers["location"]).removeprefix(PAGES)

    async def sign_in(self, user: str = "ada", to: str = "/hosts") -> str:
        """Sign in as a user and return the page that it leads to."""
        ended = await self.pages.response(await self.callback(user, to), 303)
        return str(ended.headers["location"])


@asynccontextmanager
async def sign_in_site(dsn: str) -> AsyncIterator[SignInSite]:
    """Serve the pages of a database to who signs in."""
    clock, feed = SetClock(), ChangeFeed()
    sessions = Sessions(KEY, timedelta(hours=8), ROLES)
    async with oidc_provider(PAGES) as provider:
        client = ClientRegistration(
            issuer=provider.url, id=CLIENT_ID, secret=CLIENT_SECRET, url=PAGES
        )
        async with oidc_client.open_client(client, tls.context_for(), clock) as oidc:
            sign_in = SignInPages(oidc, sessions, FormReader(KEY), feed, clock)
            async with browser(
                dsn,
                AccessRules(roles=ROLES),
                feed=feed,
                sign_in=SignInParts(sessions, sign_in.routes),
                url=PAGES,
                clock=clock,
            ) as pages:
                yield SignInSite(pages, provider, sessions, feed, clock)
