"""Sessions: the resolver keeps the profile of each registry between two questions.

The first conversation with a registry is held alone: it learns where tokens come from, and whether
HEAD works, which spares the others a request each.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from imagedrift_resolver.core.bounded_map import Bound, BoundedMap
from imagedrift_resolver.core.registry_profile import RegistryProfile
from imagedrift_resolver.core.site import Site

KNOWN: Final = Bound(4096, 32 * 1024 * 1024)
MADE_UP: Final = Bound(512, 4 * 1024 * 1024)


class RegistrySession:
    """The profile of one site, and its first conversation."""

    def __init__(self) -> None:
        self.profile = RegistryProfile()
        self.size = self.profile.size
        self.has_answered = False
        self._is_first_over = False
        self._first = asyncio.Lock()

    @property
    def is_in_use(self) -> bool:
        """Tell whether the first conversation is being held."""
        return self._first.locked()

    @asynccontextmanager
    async def conversation(self) -> AsyncIterator[None]:
        """Hold a conversation for the length of an `async with`: the first one alone."""
        if not self._is_first_over:
            async with self._first:
                if not self._is_first_over:
                    yield
                    self._is_first_over = True
                    return
        yield

    def learn(self, profile: RegistryProfile, *, has_answered: bool) -> None:
        """Keep the lessons of a conversation."""
        self.has_answered = has_answered
        if profile is not self.profile:
            self.profile, self.size = profile, profile.size


class RegistrySessions:
    """The sessions of all sites. A site with another credential is another one."""

    def __init__(self) -> None:
        self._sessions: BoundedMap[Site, RegistrySession] = BoundedMap(
            KNOWN, MADE_UP, lambda session: session.is_in_use
        )

    def of(self, site: Site) -> RegistrySession:
        """Return the session of a site."""
        session = self._sessions.get(site) or RegistrySession()
        self._sessions.put(site, session, session.size, is_proven=session.has_answered)
        return session

    @property
    def size(self) -> int:
        """About how many bytes are kept."""
        return self._sessions.size
