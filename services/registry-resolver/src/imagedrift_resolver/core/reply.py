"""The reply of a server: a response that was read within bounds, or why there is none."""

from typing import Final, Literal, TypeAlias

from msgspec import Struct

HEARD: Final = frozenset(
    {
        "content-encoding",
        "content-type",
        "docker-content-digest",
        "docker-distribution-api-version",
        "link",
        "location",
        "ratelimit",
        "ratelimit-limit",
        "ratelimit-policy",
        "ratelimit-remaining",
        "ratelimit-reset",
        "retry-after",
        "www-authenticate",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "x-retry-after",
    }
)
"""The headers that decide anything, in lower case. No other header is kept."""


class Reply(Struct, frozen=True):
    """A response. `headers` holds the `HEARD` ones, by lower-case name, in order of arrival."""

    status: int
    headers: dict[str, tuple[str, ...]] = {}
    body: bytes = b""
    cut: bool = False
    """The body was longer than we read, in too many pieces, or ended early: it proves nothing."""
    denial: str = ""
    """Why it may be a refusal: what was shown to get it, or why nothing was."""

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a header."""
        return self.headers.get(name, ())

    def first(self, name: str) -> str:
        """Return the first value of a header, or nothing."""
        return self.headers.get(name, ("",))[0].strip()

    @property
    def media_type(self) -> str:
        """The content type in lower case, without its parameters."""
        return self.first("content-type").partition(";")[0].strip().lower()


NoResponseKind: TypeAlias = Literal[
    "dns", "connect_timeout", "read_timeout", "tls", "protocol", "closed", "forbidden"
]
"""Why there was no response: the label in the metrics."""
_WORDS: Final[dict[NoResponseKind, str]] = {
    "dns": "DNS",
    "connect_timeout": "connect timeout",
    "read_timeout": "read timeout",
    "tls": "TLS",
    "protocol": "protocol error",
    "closed": "connection failed",
    "forbidden": "not asked",
}


class NoResponse(Struct, frozen=True):
    """A request had no response.

    | kind            | what went wrong                                                         |
    |-----------------|-------------------------------------------------------------------------|
    | dns             | the name does not resolve                                               |
    | connect_timeout | no connection, TLS included, in time                                    |
    | read_timeout    | no complete response in time                                            |
    | tls             | the handshake failed, or the certificate is not trusted                 |
    | protocol        | the response is not HTTP, or ended early                                |
    | closed          | the connection was refused or ended; so a proxy that does not connect   |
    | forbidden       | our own policy forbids every address of the name                        |
    """

    kind: NoResponseKind
    reason: str

    @property
    def text(self) -> str:
        """The kind in words, and the reason: the error of an answer."""
        return f"{_WORDS[self.kind]}: {self.reason}"


def shown(text: str, most: int = 120) -> str:
    """Make text that a stranger sent fit to be shown: printable ASCII, on one line, not long."""
    clean = "".join(c if " " <= c <= "~" else "?" for c in text[: most + 1])
    return clean if len(clean) <= most else clean[: most - 3] + "..."
