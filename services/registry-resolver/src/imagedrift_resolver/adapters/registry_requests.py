"""One request to a registry, as a step of a conversation asks for it: its headers and metrics.

A request that shows a credential is made only while that credential does not rest.
"""

from typing import Any, Protocol

from msgspec.structs import replace

from imagedrift_resolver.adapters.refusals import Refusals
from imagedrift_resolver.adapters.tokens import USER_AGENT
from imagedrift_resolver.core.answer import ERROR_CAP
from imagedrift_resolver.core.conversation import Send
from imagedrift_resolver.core.credential import Anonymous
from imagedrift_resolver.core.manifest import ACCEPT
from imagedrift_resolver.core.reply import NoResponse, Reply
from imagedrift_resolver.core.site import API_ROOT
from imagedrift_resolver.core.url import Url
from imagedrift_runtime import metrics
from imagedrift_runtime.clock import Clock


class Http(Protocol):
    """Sends requests, and reads responses within bounds."""

    async def send(
        self,
        method: str,
        url: Url,
        headers: list[tuple[str, str]],
        *,
        cap: int,
        trusted: bool,
    ) -> Reply | NoResponse:
        """Make a request. Whatever goes wrong is a `NoResponse` with its reason."""


class RegistryRequests:
    """Makes the requests of all conversations."""

    def __init__(self, http: Http, refusals: Refusals, clock: Clock) -> None:
        self._http = http
        self._refusals = refusals
        self._clock = clock

    async def send(self, step: Send) -> Reply | NoResponse:
        """Make a request, and count it."""
        headers = [
            ("Host", step.url.authority),
            ("User-Agent", USER_AGENT),
            ("Accept", "application/json" if step.is_list else ACCEPT),
            ("Accept-Encoding", "identity"),
        ]
        if step.authorization:
            headers.append(("Authorization", step.authorization.reveal()))
        began = self._clock.monotonic()
        got = await self._http.send(
            step.method, step.url, headers, cap=step.cap, trusted=step.trusted
        )
        status = str(got.status) if isinstance(got, Reply) else "none"
        metrics.registry_requests.add(method=step.method, status=status)
        metrics.registry_seconds.observe(self._clock.monotonic() - began)
        return got

    async def show(self, step: Send) -> Any:
        """Make a request; one that shows a credential only while that does not rest."""
        if isinstance(step.credential, Anonymous):
            return await self.send(step)
        where = (step.url.origin, "")
        return await self._refusals.show(
            where,
            step.credential,
            lambda: self.send(step),
            is_known=lambda: self._is_known(step),
        )

    async def _is_known(self, step: Send) -> bool:
        """Tell whether an API root that asks for a credential lets the one of a request in.

        Then it is good, and the repositories that refused it are not for it.
        """
        url = replace(step.url, target=API_ROOT)
        root = replace(step, method="GET", url=url, cap=ERROR_CAP)
        bare = await self.send(replace(root, authorization=None))
        if not isinstance(bare, Reply) or bare.status != 401:
            return False
        shown = await self.send(root)
        return isinstance(shown, Reply) and shown.status == 200
