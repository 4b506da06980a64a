"""The bounds of calls to an engine."""

from typing import Final

from msgspec import Struct


class EngineLimits(Struct, frozen=True, kw_only=True):
    """How long calls may take, and how much they may bring."""

    answer_within_s: float = 30.0
    head_within_s: float = 2.0
    """After how much silence a stream counts as begun, although it has sent no head."""
    details_within_s: float = 60.0
    """All details of one pass together."""
    max_body: int = 64 * 1024 * 1024
    max_event: int = 1024 * 1024
    silent_s: int = 30
    """After how much silence the kernel probes the other end, how often, how many times in vain."""
    probe_every_s: int = 10
    probes: int = 3


DEFAULT_LIMITS: Final = EngineLimits()
