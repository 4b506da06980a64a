"""The pages over HTTP: addresses, HTML and server-sent events."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from htpy import Node
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from imagedrift_dashboard.adapters import assets, csv_tables
from imagedrift_dashboard.adapters.changes import ChangeFeed
from imagedrift_dashboard.adapters.database import ViewReader
from imagedrift_dashboard.adapters.decision_pages import DecisionPages
from imagedrift_dashboard.adapters.events import EventPages
from imagedrift_dashboard.adapters.forms import FormReader
from imagedrift_dashboard.adapters.guard import AsgiApplication, Guard
from imagedrift_dashboard.core import location as locations
from imagedrift_dashboard.core.access import AccessRules, Viewer
from imagedrift_dashboard.core.location import CSV
from imagedrift_dashboard.core.page_fault import PageFault
from imagedrift_dashboard.core.sessions import Sessions
from imagedrift_dashboard.markup import layout
from imagedrift_dashboard.markup.decision_forms import decision_forms
from imagedrift_dashboard.markup.layout import ShownSection
from imagedrift_dashboard.pages.catalogue import PAGES
from imagedrift_dashboard.pages.page import Page, PageKind, Section
from imagedrift_runtime import named_sql
from imagedrift_runtime.clock import Clock

PageEndpoint = Callable[[Request], Awaitable[Response]]


class AccountParts(NamedTuple):
    """The parts of a page that depend on its viewer."""

    forms: FormReader
    rules: AccessRules

    def header(self, viewer: Viewer) -> Node:
        """Name the viewer, with a way to sign out where a session was begun here."""
        return layout.account(viewer.name, self.forms.token(viewer) if viewer.session else "")

    def decision_forms(self, page: Page, viewer: Viewer) -> Node:
        """Write the forms of a decider, on the pages that have some."""
        if not (page.has_decisions and self.rules.may_decide(viewer)):
            return None
        return decision_forms(page.reference, self.forms.token(viewer))


class SignInParts(NamedTuple):
    """The sessions of signed-in users, and the addresses of the sign-in."""

    sessions: Sessions
    routes: Sequence[Route]


def application(
    reader: ViewReader,
    feed: ChangeFeed,
    rules: AccessRules,
    clock: Clock,
    forms: FormReader,
    sign_in: SignInParts | None = None,
) -> AsgiApplication:
    """Make the application that serves every page."""
    account = AccountParts(forms, rules)
    sessions = sign_in.sessions if sign_in else None
    starlette = Starlette(
        routes=[
            *(Route(kind.path, _page_endpoint(kind, reader, clock, account)) for kind in PAGES),
            *(sign_in.routes if sign_in else ()),
            *DecisionPages(reader, rules, forms).routes,
            Route("/events", EventPages(feed, reader, sessions, clock).answer),
            Route("/assets/{name}", assets.answer),
        ],
        exception_handlers={
            PageFault: _answer_fault,
            HTTPException: _answer_http_exception,
            Exception: _answer_defect,
        },
    )
    # It would lead to the name and the scheme that the request claims, which a proxy changes.
    starlette.router.redirect_slashes = False
    return Guard(starlette, rules, sessions, clock)


def _page_endpoint(
    kind: PageKind, reader: ViewReader, clock: Clock, account: AccountParts
) -> PageEndpoint:
    async def endpoint(request: Request) -> Response:
        viewer: Viewer = request.state.viewer
        pairs = request.query_params.multi_items()
        at = locations.read(request.url.path, request.path_params, pairs, kind.parameters)
        page = kind.make(at)
        if name := at.get(CSV):
            is_head = request.method == "HEAD"
            return await csv_tables.respond(page, name, reader, viewer, is_head=is_head)
        rows = await reader.answer([each.query for each in page.sections], viewer.role)
        now = clock.now()
        shown = [
            _shown(section, found, now, page.empty(section, at))
            for section, found in zip(page.sections, rows, strict=True)
        ]
        parts = [layout.section(each, at) for each in shown]
        written = layout.document(
            page.title,
            layout.filter_form(page.filters, at),
            *parts,
            account.decision_forms(page, viewer),
            account=account.header(viewer),
            path=at.path,
            now=now,
        )
        return HTMLResponse(str(written))

    return endpoint


def _shown(section: Section[Any], rows: Sequence[Any], now: datetime, empty: str) -> ShownSection:
    if section.is_required and not rows:
        raise PageFault(404, section.empty, "It may have been removed, or renamed.")
    taken, next_position = section.query.page(rows)
    query = section.query
    return ShownSection(
        name=section.name,
        title=section.title,
        body=section.show(taken, now) if taken else layout.empty(empty),
        sql=named_sql.filled_in(query.page_sql, query.values),
        next_position=next_position,
    )


async def _answer_fault(_request: Request, fault: Exception) -> Response:
    assert isinstance(fault, PageFault)
    return HTMLResponse(str(layout.fault(fault)), fault.status)


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    faults = {
        404: PageFault(404, "there is no such page", "Begin with the fleet."),
        405: PageFault(405, f"{request.method} does nothing here", "The page is read-only."),
    }
    told = faults.get(error.status_code, PageFault(error.status_code, error.detail, "Try again."))
    response = HTMLResponse(str(layout.fault(told)), told.status)
    response.headers.update(error.headers or {})
    return response


async def _answer_defect(_request: Request, _error: Exception) -> Response:
    told = PageFault(500, "this is a defect of imagedrift", "Please report it, with the log.")
    return HTMLResponse(str(layout.fault(told)), told.status)
