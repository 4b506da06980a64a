"""The token endpoint: GET with Basic or nothing, POST with a password or an identity token."""

from urllib.parse import parse_qs

from aiohttp import web

from imagedrift_sandbox.registry.auth import Auth, IssuedTokens, user_of
from imagedrift_sandbox.registry.replies import json_reply, oci_error

FORM_CAP = 65_536


async def give_token(
    auth: Auth, tokens: IssuedTokens, request: web.BaseRequest, now: float
) -> web.Response:
    """Answer one request for a token."""
    if request.method == "POST":
        form = parse_qs((await request.content.read(FORM_CAP)).decode(errors="replace"))
        user = _user_of_form(auth, form)
        scopes = form.get("scope", [""])
    else:
        user = _user_of_header(auth, request.headers.get("Authorization"))
        scopes = request.query.getall("scope", [])
    if user is None:
        return oci_error(auth.refused_status, "UNAUTHORIZED", "incorrect username or password")
    each = [scope for joined in scopes for scope in joined.split()]
    answer = _answer(auth, tokens.give(auth, user, each, now))
    if request.query.get("offline_token") == "true" and user in auth.identity_tokens.values():
        answer["refresh_token"] = next(t for t, u in auth.identity_tokens.items() if u == user)
    return json_reply(answer)


def _answer(auth: Auth, token: str) -> dict[str, object]:
    names = ("token", "access_token") if auth.token_field == "both" else (auth.token_field,)  # noqa: S105
    answer: dict[str, object] = dict.fromkeys(names, token)
    if auth.expires_in is not None:
        answer["expires_in"] = auth.expires_in
    return answer


def _user_of_header(auth: Auth, authorization: str | None) -> str | None:
    """The user, "" for nobody, None for wrong credentials."""
    if authorization is None:
        return ""
    kind, _, value = authorization.partition(" ")
    return user_of(auth, value) if kind.lower() == "basic" else None


def _user_of_form(auth: Auth, form: dict[str, list[str]]) -> str | None:
    def field(name: str) -> str:
        return form.get(name, [""])[0]

    if field("grant_type") == "refresh_token":
        return auth.identity_tokens.get(field("refresh_token"))
    name = field("username")
    return name if name in auth.users and auth.users[name] == field("password") else None
