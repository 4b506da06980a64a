"""The id that a host gets when its operator gives it none."""

import re

_FOREIGN = re.compile(r"[^a-z0-9]+")


def made_up_id(hostname: str, chance: str) -> str:
    """A host's name as far as it fits, and a random end: readable, and unique."""
    name = _FOREIGN.sub("-", hostname.lower()).strip("-")[: 62 - len(chance)].strip("-")
    return f"{name or 'host'}-{chance}"
