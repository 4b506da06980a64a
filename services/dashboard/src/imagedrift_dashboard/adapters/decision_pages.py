"""The one thing that the pages write: decisions, for viewers whose role may make them.

Only a form of these pages is taken, with its viewer's token; the database has the last word.
"""

from collections.abc import Mapping

import asyncpg
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from imagedrift_dashboard.adapters.database import ViewReader
from imagedrift_dashboard.adapters.forms import FormReader
from imagedrift_dashboard.core import decision
from imagedrift_dashboard.core.access import AccessRules, Viewer
from imagedrift_dashboard.core.location import url_of
from imagedrift_dashboard.core.page_fault import PageFault
from imagedrift_dashboard.queries import decision_statements
from imagedrift_runtime import named_sql
from imagedrift_runtime.logs import get_logger

log = get_logger()


class DecisionPages:
    """The addresses to which the forms of decisions are sent."""

    def __init__(self, reader: ViewReader, rules: AccessRules, forms: FormReader) -> None:
        self._reader = reader
        self._rules = rules
        self._forms = forms
        self.routes = [
            Route("/decide", self._decide, methods=["POST"]),
            Route("/undo", self._undo, methods=["POST"]),
        ]

    async def _decide(self, request: Request) -> Response:
        fields, viewer = await self._read(request)
        values = decision.read_decision(fields, viewer.name)
        await self._write("decide", values, viewer)
        return RedirectResponse(url_of("/image", reference=str(values["reference"])), 303)

    async def _undo(self, request: Request) -> Response:
        fields, viewer = await self._read(request)
        await self._write("undo", decision.read_undoing(fields, viewer.name), viewer)
        return RedirectResponse("/decisions", 303)

    async def _read(self, request: Request) -> tuple[Mapping[str, str], Viewer]:
        viewer: Viewer = request.state.viewer
        if not self._rules.may_decide(viewer):
            advice = "IMAGEDRIFT_DASHBOARD_DECIDER_ROLES names the roles that may."
            raise PageFault(403, "your role decides nothing here", advice)
        return await self._forms.read(request), viewer

    async def _write(self, name: str, values: Mapping[str, object], viewer: Viewer) -> None:
        sql, arguments = named_sql.positional(decision_statements()[name], values)
        async with self._reader.transaction(viewer.role, readonly=False) as connection:
            try:
                made = await connection.fetchval(sql, *arguments)
            except asyncpg.InvalidParameterValueError as error:
                raise PageFault(400, str(error), "Go back, and change it.") from None
        log.info(
            "decision.made", kind=name, decision_id=str(made), user=viewer.name, role=viewer.role
        )
