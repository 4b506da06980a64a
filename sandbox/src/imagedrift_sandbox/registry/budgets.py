"""A limit on requests, told in each of the spellings that registries use.

Pure: the time is a parameter (seconds since the epoch). The window starts with the first
request that counts, as fixed windows do; every user has a budget of their own.
"""

from dataclasses import dataclass, field
from email.utils import formatdate
from enum import StrEnum

import msgspec

from imagedrift_sandbox.registry.routes import RouteKind


class Dialect(StrEnum):
    """How the limit is told in headers."""

    NONE = "none"
    DOCKER_HUB = "docker_hub"
    """`ratelimit-limit: 100;w=21600`, `ratelimit-remaining: 99;w=21600`."""
    X_RATELIMIT = "x_ratelimit"
    """`X-RateLimit-Limit`, `-Remaining`, and `-Reset` as seconds since the epoch."""
    IETF_FIELDS = "ietf_fields"
    """`RateLimit-Limit`, `-Remaining`, and `-Reset` as seconds from now (drafts up to 06)."""
    IETF_ONE = "ietf_one"
    """`RateLimit: limit=100, remaining=99, reset=60` (draft 07)."""
    IETF_POLICY = "ietf_policy"
    """`RateLimit-Policy: "default";q=100;w=60`, `RateLimit: "default";r=99;t=60` (draft 08 on)."""


class Wait(StrEnum):
    """How a 429 says when to come back."""

    NONE = "none"
    SECONDS = "seconds"
    DATE = "date"
    EPOCH = "epoch"
    X_EPOCH = "x_epoch"
    """`X-Retry-After`, as Docker Hub's web interface sends it."""
    BODY = "body"
    """A duration in the message, as GHCR writes it: `retry-after: 331.163µs`."""


class Budget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """So many requests in a window, and then 429."""

    limit: int
    window_s: int = 21_600
    kinds: tuple[RouteKind, ...] = (RouteKind.MANIFEST_GET,)
    """The kinds of requests that count. The headers are told on every manifest request."""
    dialect: Dialect = Dialect.DOCKER_HUB
    wait: Wait = Wait.NONE
    bare: bool = False
    """The 429 is plain text without the errors document, like an abuse limit's."""


@dataclass(frozen=True, slots=True)
class Charge:
    """The decision of a budget about one request."""

    refused: bool
    headers: dict[str, str]
    message: str = ""


@dataclass
class _Window:
    ends_at: float
    used: int = 0


@dataclass
class Meter:
    """A budget being spent."""

    budget: Budget
    _windows: dict[str, _Window] = field(default_factory=dict)

    def charge(self, kind: RouteKind, user: str, now: float) -> Charge:
        """Count one request of a user."""
        window = self._windows.get(user)
        if window is None or now >= window.ends_at:
            window = self._windows[user] = _Window(now + self.budget.window_s)
        refused = False
        if kind in self.budget.kinds:
            refused = window.used >= self.budget.limit
            window.used += not refused
        left = self.budget.limit - window.used
        headers = _limit_headers(self.budget, left, window.ends_at, now)
        if not refused:
            return Charge(False, headers)
        return Charge(
            True, headers | _wait(self.budget, window.ends_at, now), _message(self.budget)
        )


def _limit_headers(budget: Budget, left: int, ends_at: float, now: float) -> dict[str, str]:
    limit, window, reset = budget.limit, budget.window_s, max(0, round(ends_at - now))
    match budget.dialect:
        case Dialect.DOCKER_HUB:
            return {
                "ratelimit-limit": f"{limit};w={window}",
                "ratelimit-remaining": f"{left};w={window}",
                "docker-ratelimit-source": "192.0.2.1",
            }
        case Dialect.X_RATELIMIT:
            return {
                "X-RateLimit-Limit": str(limit),
                "X-RateLimit-Remaining": str(left),
                "X-RateLimit-Reset": str(round(ends_at)),
            }
        case Dialect.IETF_FIELDS:
            return {
                "RateLimit-Limit": str(limit),
                "RateLimit-Remaining": str(left),
                "RateLimit-Reset": str(reset),
            }
        case Dialect.IETF_ONE:
            return {"RateLimit": f"limit={limit}, remaining={left}, reset={reset}"}
        case Dialect.IETF_POLICY:
            return {
                "RateLimit-Policy": f'"default";q={limit};w={window}',
                "RateLimit": f'"default";r={left};t={reset}',
            }
        case Dialect.NONE:
            return {}


def _wait(budget: Budget, ends_at: float, now: float) -> dict[str, str]:
    match budget.wait:
        case Wait.SECONDS:
            return {"Retry-After": str(max(0, round(ends_at - now)))}
        case Wait.DATE:
            return {"Retry-After": formatdate(ends_at, usegmt=True)}
        case Wait.EPOCH:
            return {"Retry-After": str(round(ends_at))}
        case Wait.X_EPOCH:
            return {"X-Retry-After": str(round(ends_at))}
        case Wait.NONE | Wait.BODY:
            return {}


def _message(budget: Budget) -> str:
    if budget.wait is Wait.BODY:
        return f"retry-after: 331.163µs, allowed: {budget.limit}/minute"
    return "You have reached your pull rate limit."
