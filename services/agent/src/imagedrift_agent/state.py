"""What the agent knows: the newest inventory, and what NATS has confirmed of it.

The one thing that looking and speaking share. Every change of it is kept at once, so a restart
neither repeats what was confirmed nor loses what was not.
"""

import asyncio
from datetime import datetime

from imagedrift_agent.core import messages
from imagedrift_agent.core.cadence import Confirmed
from imagedrift_agent.ports import SavedState, StateStore
from imagedrift_schemas.v1 import Inventory


class AgentState:
    """The newest inventory, why it may be out of date, and what was confirmed."""

    def __init__(self, memory: StateStore, where: str) -> None:
        kept = memory.load()
        if kept.where != where:
            kept = SavedState(where)
        self.newest = kept.newest
        self.fingerprint = messages.fingerprint(kept.newest) if kept.newest else ""
        self.confirmed = kept.confirmed
        self.degraded = ""
        self.looked = asyncio.Event()
        """Set after the first look: before it there is nothing to say."""
        self.changed = asyncio.Event()
        self._memory = memory
        self._where = where

    def found(self, inventory: Inventory) -> bool:
        """Take in what a look found; True when it is news."""
        fingerprint = messages.fingerprint(inventory)
        is_news = fingerprint != self.fingerprint
        self.newest, self.fingerprint = inventory, fingerprint
        if is_news:
            self._keep()
        self._tell("")
        return is_news

    def may_be_old(self, reason: str) -> None:
        """Note that a look failed; the last inventory stands."""
        self._tell(reason)

    def confirm(self, fingerprint: str, content: str, now: datetime) -> None:
        """Note that NATS has the inventory of this fingerprint."""
        self.confirmed = Confirmed(fingerprint, content, now)
        self._keep()

    def _keep(self) -> None:
        self._memory.keep(SavedState(self._where, self.confirmed, self.newest))

    def _tell(self, degraded: str) -> None:
        self.degraded = degraded
        self.looked.set()
        self.changed.set()
