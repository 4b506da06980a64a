"""Portions: how many images are read at once, by how many hosts have them.

A statement for each image is mostly planned, and one for all of a fleet takes longer than any may.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

MOST_IMAGES: Final = 200
MOST_HOSTS: Final = 100_000
"""Hosts of all images of a portion, unless a single one has more."""


def portions(references: Sequence[str], hosts: Mapping[str, int]) -> Iterator[list[str]]:
    """Part references, in their order; of one that is not in `hosts`, no host is known."""
    portion: list[str] = []
    left = MOST_HOSTS
    for reference in references:
        cost = hosts.get(reference, 0)
        if portion and (cost > left or len(portion) == MOST_IMAGES):
            yield portion
            portion, left = [], MOST_HOSTS
        portion.append(reference)
        left -= cost
    if portion:
        yield portion
