"""How many hosts bring a new reference: its rank among due questions until hosts are counted.

Rules:
- Only images with a digest count: without one there is nothing to compare, so nothing to ask.
- The host with the lowest key is the one that brought it, as when hosts are counted.
"""

from collections.abc import Container, Mapping, Sequence

from msgspec import Struct

from imagedrift_ingest.core.images import HostImage


class Demand(Struct, frozen=True):
    """The hosts that have a new reference."""

    brought_by: int | None = None
    hosts: int = 0
    running: int = 0


NONE = Demand()


def demand_of(
    references: Container[str], brought: Mapping[int, Sequence[HostImage]]
) -> dict[str, Demand]:
    """Count the hosts that bring references with an image to compare."""
    running: dict[str, dict[int, bool]] = {}
    for host_id, images in brought.items():
        for image in images:
            key = image.key
            if key.repo_digests and key.reference in references:
                of_hosts = running.setdefault(key.reference, {})
                of_hosts[host_id] = of_hosts.get(host_id, False) or image.local.running > 0
    return {
        reference: Demand(min(of_hosts), len(of_hosts), sum(of_hosts.values()))
        for reference, of_hosts in running.items()
    }
