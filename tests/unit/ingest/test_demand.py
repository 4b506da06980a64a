"""How many hosts bring a new reference."""

from imagedrift_ingest.core.demand import Demand, demand_of
from imagedrift_ingest.core.identities import ImageKey
from imagedrift_ingest.core.images import HostImage
from imagedrift_schemas.v1 import LocalImage
from support.ingest import NGINX, digest

REDIS = "docker.io/library/redis:7"


def brings(reference: str, *, running: int = 0, has_digest: bool = True) -> HostImage:
    """An image of a host."""
    digests = (digest(reference),) if has_digest else ()
    key = ImageKey(reference, digest("id"), digests, "linux/amd64")
    local = LocalImage(reference=reference, image_id=key.image_id, running=running)
    return HostImage(key, False, local)


def test_hosts_that_have_and_run_a_reference_are_counted_once_each() -> None:
    """However many images of it a host has; the host with the lowest key has brought it."""
    brought = {
        7: [brings(NGINX), brings(NGINX, running=2), brings(REDIS)],
        5: [brings(NGINX)],
    }
    assert demand_of({NGINX}, brought) == {NGINX: Demand(brought_by=5, hosts=2, running=1)}


def test_an_image_without_a_digest_asks_for_no_answer() -> None:
    """There is nothing to compare."""
    assert demand_of({NGINX}, {1: [brings(NGINX, has_digest=False)]}) == {}
