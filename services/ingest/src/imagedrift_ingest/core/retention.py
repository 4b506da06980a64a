"""How long things are kept, in days."""

from msgspec import Struct


class Retention(Struct, frozen=True, kw_only=True):
    """What upkeep goes by. History must outlive what refers to it, so one number holds for all."""

    retire_after: int = 30
    """A host that was silent this long is given up."""
    history: int = 365
    """What changed on hosts, the trend, and images and references that nobody has any more."""
    dead_letters: int = 30
