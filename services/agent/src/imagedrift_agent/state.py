"""The agent's state: the newest inventory, and what NATS has confirmed of it.

The watcher and the reporter share it, and nothing else. Every change of it is saved at once, so a
restart neither repeats what was confirmed nor loses what was not.
"""

import asyncio
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from imagedrift_agent.core import messages
from imagedrift_agent.core.cadence import ConfirmedInventory
from imagedrift_schemas.v1 import Inventory


class SavedState(Struct, frozen=True):
    """The state that survives a restart."""

    where: str = ""
    """The NATS, site and host id that it was confirmed for: others begin afresh."""
    confirmed: ConfirmedInventory = ConfirmedInventory()
    newest: Inventory | None = None


class StateStore(Protocol):
    """Keeps the state over a restart."""

    def load(self) -> SavedState:
        """Read the saved state."""

    def save(self, saved: SavedState) -> None:
        """Replace the saved state."""


class AgentState:
    """The newest inventory, the reason why it may be out of date, and the confirmed one."""

    def __init__(self, store: StateStore, where: str) -> None:
        saved = store.load()
        if saved.where != where:
            saved = SavedState(where)
        self.newest = saved.newest
        self.fingerprint = messages.fingerprint(saved.newest) if saved.newest else ""
        self.confirmed = saved.confirmed
        self.degraded = ""
        self.is_known = asyncio.Event()
        """Set after the first snapshot, or its failure: before it there is nothing to report."""
        self.changed = asyncio.Event()
        self._store = store
        self._where = where

    def update(self, inventory: Inventory) -> bool:
        """Take in a new inventory; True when it differs from the one before."""
        fingerprint = messages.fingerprint(inventory)
        is_new = fingerprint != self.fingerprint
        self.newest, self.fingerprint = inventory, fingerprint
        if is_new:
            self._save()
        self._note("")
        return is_new

    def mark_outdated(self, reason: str) -> None:
        """Note that a snapshot failed; the last inventory stands."""
        self._note(reason)

    def confirm(self, fingerprint: str, content: str, now: datetime) -> None:
        """Note that NATS has the inventory of this fingerprint."""
        self.confirmed = ConfirmedInventory(fingerprint, content, now)
        self._save()

    def _save(self) -> None:
        self._store.save(SavedState(self._where, self.confirmed, self.newest))

    def _note(self, degraded: str) -> None:
        self.degraded = degraded
        self.is_known.set()
        self.changed.set()
