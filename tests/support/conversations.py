"""Conversations played by hand: the other side is a function, and nothing is sent anywhere."""

from collections.abc import Callable, Generator
from datetime import UTC, datetime
from typing import Any, TypeVar

from imagedrift_resolver.core.conversation import Authorise, RegistryProfile, Send, resolve
from imagedrift_resolver.core.credential import Anonymous, Credential, Password, Secret
from imagedrift_resolver.core.reply import NoResponse, Reply
from imagedrift_resolver.core.site import Site
from imagedrift_resolver.core.token import Token
from imagedrift_resolver.core.url import parse_url
from imagedrift_schemas.v1 import Failure, Outcome

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
DIGEST = f"sha256:{'a' * 64}"
REGISTRY: dict[str, tuple[str, ...]] = {"docker-distribution-api-version": ("registry/2.0",)}

T = TypeVar("T")
Server = Callable[[Send], Reply | NoResponse]
Steps = list[Send | Authorise]


def site(
    registry: str = "registry.example.org",
    credential: Credential | None = None,
    *,
    scheme: str = "https",
    host: str = "",
    **fields: Any,
) -> Site:
    """A registry as it is configured."""
    return Site(
        registry=registry,
        api=parse_url(f"{scheme}://{host or registry}"),
        credential=credential or Anonymous(),
        **fields,
    )


def good(digest: str = DIGEST, media_type: str = "") -> Reply:
    """A HEAD that tells a digest."""
    kind = media_type or "application/vnd.oci.image.index.v1+json"
    return Reply(200, {"docker-content-digest": (digest,), "content-type": (kind,)})


def challenge(text: str, status: int = 401) -> Reply:
    """A response that wants to be shown something."""
    return Reply(status, {"www-authenticate": (text,)})


def unknown(code: str = "MANIFEST_UNKNOWN", status: int = 404) -> Reply:
    """An error as a registry words it; in reply to a HEAD its body would not arrive."""
    body = f'{{"errors":[{{"code":"{code}"}}]}}'.encode()
    return Reply(status, {"content-type": ("application/json",), **REGISTRY}, body)


def page(status: int = 404, text: str = "404 page not found", kind: str = "text/plain") -> Reply:
    """A response of another program in a registry's place."""
    return Reply(status, {"content-type": (kind,)}, text.encode())


def moved(location: str, status: int = 307) -> Reply:
    """A redirect."""
    return Reply(status, {"location": (location,)})


def tokens(authorise: Authorise) -> Token | Failure:
    """A token endpoint that gives a token for each grant, and another one when it is refused."""
    number = "2" if authorise.refused else "1"
    return Token(Secret(f"token-{authorise.grant.realm.host}-{number}"), NOW)


def play(
    conversation: Generator[Any, Any, tuple[T, Any]],
    server: Server,
    endpoint: Callable[[Authorise], Token | Failure] = tokens,
) -> tuple[T, Any, Steps]:
    """Hold a conversation; what it found out, what it learnt, and everything that it wanted."""
    steps: Steps = []
    reply: Any = None
    while True:
        try:
            step = conversation.send(reply)
        except StopIteration as end:
            result, profile = end.value
            return result, profile, steps
        steps.append(step)
        assert len(steps) < 500, "the conversation has no end"
        reply = server(step) if isinstance(step, Send) else endpoint(step)


def shown(step: Send | Authorise) -> str:
    """The facts that a request shows."""
    assert isinstance(step, Send)
    return step.authorization.reveal() if step.authorization else ""


ME = Password("me", Secret("hunter2"))


BEARER = (
    'Bearer realm="https://registry.example.org/token",service="s",scope="repository:wrong:pull"'
)


def ask(
    at: Site, server: Server, profile: RegistryProfile | None = None
) -> tuple[Outcome, RegistryProfile, Steps]:
    """Ask what `team/app:1` points to."""
    return play(resolve(at, profile or RegistryProfile(), "team/app", "1", NOW), server)


def methods(steps: Steps) -> str:
    """The order of what was wanted."""
    return " ".join(step.method if isinstance(step, Send) else "token" for step in steps)


def lets_in(wanted: str, text: str = BEARER) -> Server:
    """A registry that answers who shows what it wants, and challenges everybody else."""
    return lambda step: good() if shown(step) == wanted else challenge(text)
