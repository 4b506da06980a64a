"""The steps of a conversation: a request to a registry, or a token.

Whoever drives a conversation does what a step says and sends back what came of it. A step that
must not be made is answered with the `Failure` that says why.
"""

from collections.abc import Generator
from typing import Any, Literal, TypeAlias, TypeVar

from msgspec import Struct

from imagedrift_resolver.core.credential import Anonymous, Credential, Secret
from imagedrift_resolver.core.registry_profile import RegistryProfile
from imagedrift_resolver.core.reply import NoResponse, Reply
from imagedrift_resolver.core.token import Grant
from imagedrift_resolver.core.url import Url
from imagedrift_schemas.v1 import Failure

Method: TypeAlias = Literal["HEAD", "GET"]


class Send(Struct, frozen=True):
    """Make this request; send back a `Reply`, a `NoResponse`, or a `Failure` if it is not made."""

    method: Method
    url: Url
    authorization: Secret | None
    cap: int
    """How much of a good body may be read."""
    trusted: bool
    """Whether a private address will do."""
    own: bool
    """Whether this goes to the registry itself, and so counts against its limits."""
    spare: bool = False
    """Make it only if more than half of the registry's limit is left."""
    credential: Credential = Anonymous()
    """The credential that `authorization` shows as it is; a token shows none."""

    @property
    def is_list(self) -> bool:
        """Tell whether this asks for tags."""
        return self.url.target.partition("?")[0].endswith("/tags/list")

    @property
    def counts_as(self) -> Method:
        """Return how limits count it: Docker Hub counts GETs of manifests, and no lists of tags."""
        return "HEAD" if self.is_list else self.method


class Authorise(Struct, frozen=True):
    """Get a token; send back a `Token` or a `Failure`. `refused` is one that no longer works."""

    grant: Grant
    trusted: bool
    refused: Secret | None = None
    credential: Credential = Anonymous()
    """The credential that may be shown for it: none at a realm that a redirect's target names."""
    anew: bool = False
    """Get one that nobody else uses: a token may be good for one request."""


class Elapsed(Struct, frozen=True):
    """Send back how many seconds the conversation has lasted."""


T = TypeVar("T")
Got: TypeAlias = Reply | NoResponse | Failure
ConversationStep: TypeAlias = Send | Authorise | Elapsed
Conversation: TypeAlias = Generator[ConversationStep, Any, tuple[T, RegistryProfile]]
Exchange: TypeAlias = Generator[ConversationStep, Any, T]
"""A part of a conversation that teaches nothing."""
