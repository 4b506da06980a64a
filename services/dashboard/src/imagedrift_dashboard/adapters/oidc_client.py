"""Asks a provider of OpenID Connect: its configuration, its keys, and the token for a code.

Rules:
- A request takes `WITHIN_S` at most, and a response has `MOST_BYTES` at most. None is decompressed:
  a few bytes of it may become very many.
- No redirect is followed.
- Configuration and keys are kept for an hour. A token by an unknown key has the keys asked for
  anew, every few seconds at most: a provider changes its keys when it likes.
- Neither code, token nor secret is ever in a log or on a page.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from ssl import SSLContext
from typing import Final

from imagedrift_dashboard.core import id_token
from imagedrift_dashboard.core import provider as providers
from imagedrift_dashboard.core.id_token import (
    ExpectedClaims,
    PublicKey,
    SignedInUser,
    TokenRefused,
    UnknownKey,
)
from imagedrift_dashboard.core.page_fault import PageFault
from imagedrift_dashboard.core.provider import ClientRegistration, Provider, ProviderFault
from imagedrift_runtime.clock import Clock
from imagedrift_runtime.httpx_library import httpx
from imagedrift_runtime.logs import get_logger

log = get_logger()

WITHIN_S: Final = 10.0
MOST_BYTES: Final = 512 * 1024
KEPT_S: Final = 3600.0
KEYS_AGAIN_AFTER_S: Final = 5.0


class OidcClient:
    """One provider, as this service is its client."""

    def __init__(
        self, http: httpx.AsyncClient, client: ClientRegistration, clock: Clock, within_s: float
    ) -> None:
        self.client = client
        self._within_s = within_s
        self._http = http
        self._clock = clock
        self._lock = asyncio.Lock()
        self._provider: Provider | None = None
        self._provider_at = 0.0
        self._keys: tuple[PublicKey, ...] = ()
        self._keys_at: float | None = None

    async def provider(self) -> Provider:
        """Return the provider's facts of itself. Raises `PageFault`."""
        async with self._lock, _as_page_fault(self.client.issuer):
            now = self._clock.monotonic()
            if self._provider is None or now - self._provider_at > KEPT_S:
                content = await self._get(self.client.discovery_url)
                self._provider = providers.read_provider(content, self.client.issuer)
                self._provider_at = now
            return self._provider

    async def identity(self, code: str, verifier: str, nonce: str) -> SignedInUser:
        """Exchange a code for the user that signed in. Raises `PageFault`."""
        provider = await self.provider()
        expected = ExpectedClaims(
            issuer=provider.issuer,
            client_id=self.client.id,
            nonce=nonce,
            groups_claim=self.client.groups_claim,
        )
        async with _as_page_fault(self.client.issuer):
            headers, form = providers.token_request(self.client, provider, code, verifier)
            token = providers.read_token(await self._post(provider.token_endpoint, headers, form))
            try:
                return await self._verified(provider, token, expected)
            except TokenRefused as error:
                raise ProviderFault(f"its ID token: {error}") from None

    async def _verified(
        self, provider: Provider, token: str, expected: ExpectedClaims
    ) -> SignedInUser:
        known_at, keys = await self._known_keys(provider, KEPT_S)
        try:
            return id_token.verify(token, keys, expected, self._clock.now())
        except UnknownKey:
            again_at, keys = await self._known_keys(provider, KEYS_AGAIN_AFTER_S)
            if again_at == known_at:
                raise
            return id_token.verify(token, keys, expected, self._clock.now())

    async def _known_keys(
        self, provider: Provider, at_most_s: float
    ) -> tuple[float, tuple[PublicKey, ...]]:
        """Return the keys, and when they were asked for: so long ago at most."""
        async with self._lock:
            now = self._clock.monotonic()
            if self._keys_at is None or now - self._keys_at > at_most_s:
                self._keys = id_token.read_keys(await self._get(provider.jwks_uri))
                self._keys_at = now
            return self._keys_at, self._keys

    async def _get(self, url: str) -> bytes:
        return await self._content(self._http.build_request("GET", url))

    async def _post(self, url: str, headers: Mapping[str, str], form: Mapping[str, str]) -> bytes:
        try:
            return await self._content(
                self._http.build_request("POST", url, headers=dict(headers), data=dict(form))
            )
        except _Refused as refused:
            if refused.status in (400, 401):  # a code that was used, or is too old
                raise ProviderFault("it does not take the code") from None
            raise

    async def _content(self, request: httpx.Request) -> bytes:
        """Send a request, and read its response within the bounds."""
        content = bytearray()
        async with asyncio.timeout(self._within_s):
            response = await self._http.send(request, stream=True)
            try:
                if response.headers.get("content-encoding", "identity") != "identity":
                    raise ProviderFault("it compresses its answer, which nobody asked it to")
                async for part in response.aiter_raw():
                    content += part
                    if len(content) > MOST_BYTES:
                        raise ProviderFault("it sends too much")
            finally:
                await response.aclose()
        if response.status_code != httpx.codes.OK:
            raise _Refused(request.url.path, response.status_code)
        return bytes(content)


class _Refused(ProviderFault):
    """A response with another status than 200."""

    def __init__(self, path: str, status: int) -> None:
        super().__init__(f"{path} answers with status {status}")
        self.status = status


@asynccontextmanager
async def _as_page_fault(issuer: str) -> AsyncIterator[None]:
    """Turn a fault of the provider into a page that names it."""
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        log.warning("provider.unreachable", issuer=issuer, error=type(error).__name__)
        advice = f"Is {issuer} reached from the dashboard? Its log says more."
        raise PageFault(503, "the sign-in cannot be reached", advice) from None
    except (ProviderFault, TokenRefused) as error:
        log.warning("sign_in.refused", issuer=issuer, error=str(error))
        raise PageFault(502, f"the sign-in failed: {error}", "Sign in again.") from None


@asynccontextmanager
async def open_client(
    client: ClientRegistration, tls: SSLContext, clock: Clock, within_s: float = WITHIN_S
) -> AsyncIterator[OidcClient]:
    """Open a client of the provider for the length of the context; it is asked at a sign-in."""
    async with httpx.AsyncClient(
        verify=tls,
        trust_env=False,
        follow_redirects=False,
        timeout=within_s,
        limits=httpx.Limits(max_connections=8),
        headers={"accept": "application/json", "accept-encoding": "identity"},
    ) as http:
        yield OidcClient(http, client, clock, within_s)
