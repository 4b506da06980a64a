"""The pages for tests: served in this process, read by a browser without a screen."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from pathlib import Path

import httpx

from imagedrift_dashboard.adapters import database, web
from imagedrift_dashboard.adapters.changes import ChangeFeed
from imagedrift_dashboard.adapters.forms import FormReader
from imagedrift_dashboard.adapters.web import SignInParts
from imagedrift_dashboard.core.access import AccessRules
from imagedrift_dashboard.core.cookie_key import CookieKey
from imagedrift_runtime.clock import Clock, SystemClock
from imagedrift_sandbox.free_port import free_port
from imagedrift_sandbox.processes import ServiceProcess

OPERATOR = "imagedrift_operator"
LOCAL = "http://127.0.0.1:8088"
KEY = CookieKey(b"a key of the tests, of 32 bytes.")
NGINX = "docker.io/library/nginx:1.27"
WHY = f"/hosts/ber1/web-1/why?reference={NGINX}"
IMAGE = f"/image?reference={NGINX}"
ADDRESSES = (
    "/",
    "/places",
    "/places?inside=fra1",
    "/hosts",
    "/hosts?site=fra1&state=silent",
    "/hosts/fra1/web-1",
    "/hosts/fra1/web-1?verdict=outdated&running=yes",
    WHY,
    "/images",
    "/images?registry=docker.io&outdated=yes&text=nginx",
    IMAGE,
    f"{IMAGE}&verdict=outdated&label=env%3Dprod&place=ber1&site=ber1&text=web",
    "/versions",
    "/versions?behind=yes&registry=docker.io&text=nginx",
    "/due",
    "/due?overdue=yes&site=ber1&running=yes",
    "/due?host=web-1&text=nginx",
    "/excused",
    "/decisions",
    "/decisions?active=yes&text=x",
    "/registries",
    "/dead-letters",
)
"""Addresses of every page, on the small fleet of `support.command_fleet`."""


class ReadPage(HTMLParser):
    """A page as a reader gets it: its texts, its elements, and the rows of its tables."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        """Note a text."""
        if data.strip():
            self.texts.append(data.strip())

    @property
    def text(self) -> str:
        """All texts, one after the other."""
        return " ".join(self.texts)

    @property
    def keys(self) -> list[str]:
        """The names of the rows of all tables."""
        return [
            attributes["data-key"] for _, attributes in self.elements if "data-key" in attributes
        ]

    @property
    def links(self) -> list[str]:
        """Where its links lead."""
        return [attributes["href"] for tag, attributes in self.elements if tag == "a"]

    def next_page(self) -> str:
        """Return the address of the next page; empty on the last one."""
        found = [a["href"] for tag, a in self.elements if tag == "a" and a.get("rel") == "next"]
        return found[0] if found else ""


class Browser:
    """Somebody who reads the pages."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def get(
        self, url: str, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> ReadPage:
        """Read a page, whose status has to be this."""
        return ReadPage((await self.response(url, status, headers)).text)

    async def response(
        self, url: str, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Get a response, whose status has to be this."""
        response = await self.client.get(url, headers=headers)
        assert response.status_code == status, response.text
        return response


@asynccontextmanager
async def browser(
    dsn: str,
    rules: AccessRules | None = None,
    *,
    feed: ChangeFeed | None = None,
    peer: str = "127.0.0.1",
    sign_in: SignInParts | None = None,
    url: str = LOCAL,
    logins: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Browser]:
    """Serve the pages of a database, and read them from `peer`."""
    async with database.open_reader(dsn, logins=logins) as reader:
        application = web.application(
            reader,
            feed or ChangeFeed(),
            rules or AccessRules(role=OPERATOR),
            clock or SystemClock(),
            FormReader(KEY),
            sign_in,
        )
        transport = httpx.ASGITransport(
            app=application, client=(peer, 1), raise_app_exceptions=False
        )
        async with httpx.AsyncClient(transport=transport, base_url=url) as client:
            yield Browser(client)


@asynccontextmanager
async def served(
    dsn: str, nats_url: str, folder: Path, port: int = 0, **settings: str
) -> AsyncIterator[str]:
    """Run the service for the length of the context, and tell its address."""
    port = port or free_port()
    environment = {
        "DATABASE_URL": dsn,
        "NATS_URL": nats_url,
        "IMAGEDRIFT_DASHBOARD_PORT": str(port),
        "IMAGEDRIFT_DASHBOARD_ROLE": OPERATOR,
        **settings,
    }
    async with ServiceProcess.start("imagedrift-dashboard", environment, log=folder / "log"):
        yield f"http://127.0.0.1:{port}"
