"""Sessions of users that signed in by OpenID Connect: begun, read from a cookie, and ended.

| it ends                        | how                                                       |
|--------------------------------|-----------------------------------------------------------|
| at its time                    | which stands in the cookie, signed                        |
| when its viewer signs out      | its id is remembered until its time: a copy is worthless  |
| when no group has its role     | the settings were changed                                 |
| when the key is another        | the service started anew without `…_SESSION_KEY`          |

Each sign-in begins a session with an id of its own. One process remembers which have ended,
while it runs: another one with the same key takes a copy of their cookies until its time.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from imagedrift_dashboard.core.access import Session, Viewer
from imagedrift_dashboard.core.cookie_key import CookieKey

COOKIE: Final = "__Host-imagedrift"
"""The prefix has a browser refuse it from another host, without TLS, and for a part of the site."""
SIGN_IN_COOKIE: Final = "__Host-imagedrift-sign-in"
SIGN_IN_WITHIN: Final = timedelta(minutes=10)
MOST_ENDED: Final = 50_000
"""Ids of ended sessions that are remembered: of more, the one that ended first is forgotten."""
MOST_OF_AN_ADDRESS: Final = 1_500
_SESSION: Final = "session"
_SIGN_IN: Final = "sign-in"


class SignIn(Struct, frozen=True):
    """A sign-in that was begun: its id is the `state` that the provider sends back."""

    id: str
    to: str
    """The page that was asked for."""
    until: int


class Sessions:
    """Everything about sessions that one process knows. Time and ids come as values."""

    def __init__(
        self,
        key: CookieKey,
        lasts: timedelta,
        roles: Mapping[str, str],
        most_ended: int = MOST_ENDED,
    ) -> None:
        self._most_ended = most_ended
        self._key = key
        self._lasts = lasts
        self._roles = roles
        self._ended: dict[str, int] = {}

    @property
    def seconds(self) -> int:
        """How long a session lasts."""
        return int(self._lasts.total_seconds())

    def role_of(self, groups: frozenset[str]) -> str:
        """Give the role of the first group of the setting; empty for a user in none."""
        return next((role for group, role in self._roles.items() if group in groups), "")

    def begin(self, new_id: str, name: str, role: str, now: datetime) -> str:
        """Begin a session and return the value of its cookie."""
        session = Session(new_id, name, role, _seconds(now + self._lasts))
        return self._key.sign(_SESSION, session)

    def viewer(self, cookie: str, now: datetime) -> Viewer | None:
        """Read the viewer from a cookie; None where the session has ended."""
        session = self._key.read(_SESSION, cookie, Session)
        if session is None or not self.is_open(session, now):
            return None
        return Viewer(session.name, session.role, session)

    def is_open(self, session: Session, now: datetime) -> bool:
        """Tell whether a session goes on."""
        is_due = _seconds(now) >= session.until
        return not is_due and session.id not in self._ended and session.role in self._roles.values()

    def end(self, session: Session, now: datetime) -> None:
        """End a session, and every copy of its cookie."""
        if len(self._ended) >= self._most_ended:
            at = _seconds(now)
            self._ended = {each: until for each, until in self._ended.items() if until > at}
        if len(self._ended) >= self._most_ended:
            del self._ended[next(iter(self._ended))]
        self._ended[session.id] = session.until

    def begin_sign_in(self, new_id: str, to: str, now: datetime) -> str:
        """Begin a sign-in that comes back to a page and return the value of its cookie."""
        until = _seconds(now + SIGN_IN_WITHIN)
        return self._key.sign(_SIGN_IN, SignIn(new_id, own_address(to), until))

    def sign_in(self, cookie: str, state: str, now: datetime) -> SignIn | None:
        """Find the sign-in that this browser began with this state, if it is not too old."""
        found = self._key.read(_SIGN_IN, cookie, SignIn)
        if found is None or found.id != state or _seconds(now) >= found.until:
            return None
        return found

    def nonce(self, sign_in_id: str) -> str:
        """Make the nonce that the ID token of a sign-in has to have in it."""
        return self._key.derive("nonce", sign_in_id)

    def verifier(self, sign_in_id: str) -> str:
        """Make the PKCE verifier of a sign-in: 43 characters, as RFC 7636 has it."""
        return self._key.derive("verifier", sign_in_id)


def own_address(to: str) -> str:
    """Return an address of these pages, or that of the first one: no other site is led to."""
    is_path = to.startswith("/") and not to.startswith(("//", "/sign-", "/signed-out"))
    is_plain = to.isascii() and to.isprintable() and "\\" not in to
    return to if is_path and is_plain and len(to) <= MOST_OF_AN_ADDRESS else "/"


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
