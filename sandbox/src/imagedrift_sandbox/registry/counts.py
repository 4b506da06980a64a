"""Counts of requests: by kind, by reference, by status; and the newest requests whole."""

from collections import Counter, deque

import msgspec

from imagedrift_sandbox.registry.routes import RegistryRoute, RouteKind

KEPT_REQUESTS = 20_000


class SeenRequest(msgspec.Struct, kw_only=True):
    """One request as it arrived; `status` follows when it was answered."""

    kind: RouteKind
    method: str
    host: str
    path: str
    query: str
    repository: str
    reference: str
    authorization: str | None
    accept: str
    status: int | None = None


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """The counters at one moment."""

    total: int
    kinds: dict[str, int]
    statuses: dict[int, int]
    references: dict[str, dict[str, int]]

    def of(self, *kinds: RouteKind) -> int:
        """How many requests of these kinds."""
        return sum(self.kinds.get(kind, 0) for kind in kinds)

    @property
    def head_requests(self) -> int:
        """Manifest HEADs."""
        return self.of(RouteKind.MANIFEST_HEAD)

    @property
    def get_requests(self) -> int:
        """Manifest GETs."""
        return self.of(RouteKind.MANIFEST_GET)

    @property
    def token_requests(self) -> int:
        """Requests for a token."""
        return self.of(RouteKind.TOKEN)

    @property
    def rejected(self) -> int:
        """Requests answered with 429."""
        return self.statuses.get(429, 0)


class Counts:
    """The counters, while they count."""

    def __init__(self) -> None:
        self.requests: deque[SeenRequest] = deque(maxlen=KEPT_REQUESTS)
        self.reset()

    def reset(self) -> None:
        """Start again from nothing."""
        self.requests.clear()
        self._kinds: Counter[str] = Counter()
        self._statuses: Counter[int] = Counter()
        self._references: dict[str, Counter[str]] = {}

    def arrived(self, route: RegistryRoute, seen: SeenRequest) -> None:
        """Count a request, with any outcome."""
        self.requests.append(seen)
        self._kinds[route.kind] += 1
        if route.reference and route.kind is not RouteKind.UPLOAD:
            separator = "@" if ":" in route.reference else ":"
            name = f"{route.repository}{separator}{route.reference}"
            self._references.setdefault(name, Counter())[route.kind] += 1

    def answered(self, seen: SeenRequest, status: int) -> None:
        """Count an answer."""
        seen.status = status
        self._statuses[status] += 1

    def totals(self) -> Totals:
        """The counters now."""
        return Totals(
            total=self._kinds.total(),
            kinds=dict(self._kinds),
            statuses=dict(self._statuses),
            references={name: dict(kinds) for name, kinds in self._references.items()},
        )
