"""A provider of OpenID Connect: what it says of itself, and what it is asked.

| step                    | what is checked                                                    |
|-------------------------|--------------------------------------------------------------------|
| discovery               | its issuer is the one of the settings; all addresses have TLS      |
| it is asked for a code  | with state, nonce and PKCE (S256), for one redirect address        |
| the code comes back     | once each parameter; its issuer, where it names one (RFC 9207)     |
| the code is exchanged   | with the verifier, and the client's secret where there is one      |

`http` counts as well as TLS where the issuer is on this machine.
"""

import hashlib
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec
from msgspec import Struct

from imagedrift_dashboard.core.access import is_loopback
from imagedrift_dashboard.core.page_fault import PageFault
from imagedrift_schemas.text import cleaned

CALLBACK: Final = "/sign-in/callback"
DISCOVERY: Final = "/.well-known/openid-configuration"
MOST_TOLD: Final = 200


class ProviderFault(Exception):
    """A provider's facts cannot be right; its text names the fault."""


class ClientRegistration(Struct, frozen=True, kw_only=True):
    """The dashboard, as the provider knows it."""

    issuer: str
    id: str
    secret: str = ""
    url: str
    """The origin of the pages, as browsers know it."""
    scopes: str = "openid profile email"
    groups_claim: str = "groups"

    @property
    def redirect_uri(self) -> str:
        """The one address to which a code is sent."""
        return f"{self.url}{CALLBACK}"

    @property
    def discovery_url(self) -> str:
        """The address at which the provider tells of itself."""
        return f"{self.issuer.rstrip('/')}{DISCOVERY}"


class Provider(Struct, frozen=True, kw_only=True):
    """The provider's own description, as far as it matters here."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    code_challenge_methods_supported: tuple[str, ...] = ("S256",)
    authorization_response_iss_parameter_supported: bool = False


class TokenResponse(Struct, frozen=True):
    """The part of a token response that matters here: the access token is not used."""

    id_token: str


def read_provider(content: bytes, issuer: str) -> Provider:
    """Read a provider's facts of itself. Raises `ProviderFault`."""
    try:
        provider = msgspec.json.decode(content, type=Provider)
    except msgspec.ValidationError as error:
        raise ProviderFault(f"its configuration: {error}") from None
    except (ValueError, RecursionError):
        raise ProviderFault("its configuration is no JSON") from None
    if provider.issuer != issuer:
        told = cleaned(provider.issuer, MOST_TOLD)
        raise ProviderFault(f"it calls itself {told}, and the setting says {issuer}")
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "end_session_endpoint"):
        url = getattr(provider, name)
        if (url or name != "end_session_endpoint") and not is_safe(url, issuer):
            raise ProviderFault(f"its {name} is no https address")
    if "S256" not in provider.code_challenge_methods_supported:
        raise ProviderFault("it has no PKCE with S256")
    return provider


def is_safe(url: str, issuer: str) -> bool:
    """Tell whether an address has TLS, or is on this machine as its issuer is."""
    try:
        parts, home = urlsplit(url), urlsplit(issuer)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    if not parts.hostname or parts.username or parts.fragment or not has_port:
        return False
    is_at_home = is_loopback(parts.hostname) and is_loopback(home.hostname or "")
    return parts.scheme == "https" or (parts.scheme == "http" and is_at_home)


def issuer_fault(url: str) -> str:
    """Describe the fault of the address of an issuer; empty when there is none."""
    if is_safe(url, url) and not urlsplit(url).query:
        return ""
    return "is not as https://id.example.org/realm"


def origin_fault(url: str) -> str:
    """Describe the fault of the address of the pages; empty when there is none.

    Browsers keep the session's cookie for https, and for this machine, alone.
    """
    if is_safe(url, url) and urlsplit(url).path in ("", "/") and not urlsplit(url).query:
        return ""
    return "is not as https://drift.example.org, without a path"


def authorization_url(
    client: ClientRegistration, provider: Provider, *, state: str, nonce: str, verifier: str
) -> str:
    """Write the address at which the provider signs somebody in."""
    challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    asked = {
        "response_type": "code",
        "client_id": client.id,
        "redirect_uri": client.redirect_uri,
        "scope": client.scopes,
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge.decode(),
        "code_challenge_method": "S256",
    }
    return _with(provider.authorization_endpoint, asked)


def end_session_url(client: ClientRegistration, provider: Provider) -> str:
    """Write the address at which the provider signs out; empty where it has none."""
    url = provider.end_session_endpoint
    return _with(url, {"client_id": client.id}) if url else ""


def _with(url: str, parameters: Mapping[str, str]) -> str:
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(parameters)}"


def read_callback(pairs: Sequence[tuple[str, str]], provider: Provider) -> str:
    """Read the code that the provider sends back. Raises `PageFault`."""
    parameters = dict(pairs)
    if len(parameters) < len(pairs):
        raise PageFault(400, "a parameter of the sign-in is given twice", "Sign in again.")
    issuer = parameters.get("iss", "")
    is_owed = provider.authorization_response_iss_parameter_supported
    if (issuer or is_owed) and issuer != provider.issuer:
        raise PageFault(403, "another provider than ours answered", "Sign in again.")
    if error := parameters.get("error", ""):
        told = cleaned(parameters.get("error_description", "") or error, MOST_TOLD)
        raise PageFault(403, f"the sign-in was refused: {told}", "Sign in again, or ask for it.")
    if not (code := parameters.get("code", "")):
        raise PageFault(400, "the sign-in came back without a code", "Sign in again.")
    return code


def token_request(
    client: ClientRegistration, provider: Provider, code: str, verifier: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Write the headers and the form that exchange a code."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": client.redirect_uri,
        "code_verifier": verifier,
    }
    if not client.secret:
        return {}, form | {"client_id": client.id}
    ways = provider.token_endpoint_auth_methods_supported
    if "client_secret_basic" not in ways and "client_secret_post" in ways:
        return {}, form | {"client_id": client.id, "client_secret": client.secret}
    pair = f"{quote_plus(client.id)}:{quote_plus(client.secret)}"
    return {"authorization": f"Basic {b64encode(pair.encode()).decode()}"}, form


def read_token(content: bytes) -> str:
    """Read the ID token of a token response. Raises `ProviderFault`."""
    try:
        return msgspec.json.decode(content, type=TokenResponse).id_token
    except (ValueError, RecursionError):  # not repeated: it may hold tokens
        raise ProviderFault("its token response has no ID token") from None
