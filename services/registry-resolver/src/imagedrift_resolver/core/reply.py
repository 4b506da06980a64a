"""What came back from a server: a response, bounded by whoever read it, or nothing usable."""

from typing import Final

from msgspec import Struct

HEARD: Final = frozenset(
    {
        "content-encoding",
        "content-type",
        "docker-content-digest",
        "docker-distribution-api-version",
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


class Trouble(Struct, frozen=True):
    """No response. `forbidden` tells that we did not ask, because our own policy says no."""

    reason: str
    forbidden: bool = False


def shown(text: str, most: int = 120) -> str:
    """Make text that a stranger sent fit to be shown: printable ASCII, on one line, not long."""
    clean = "".join(c if " " <= c <= "~" else "?" for c in text[: most + 1])
    return clean if len(clean) <= most else clean[: most - 3] + "..."
