"""Routes with filters: each tells of its own hosts, and counts those alone."""

from pathlib import Path
from typing import Any

import pytest

from imagedrift_runtime.nats.bus import Bus
from imagedrift_sandbox.nats import NatsServer
from support.decided_fleet import REFERENCES
from support.notifier import Receiver, execute, move, notifier, publish_change, write_routes
from support.polling import until

AT_ONCE = 'gather = "0s"'
GONE = """
UPDATE fleet.comparisons SET verdict = 'missing', reason = 'not_found', verdict_since = now()
WHERE ref_id = (SELECT ref_id FROM fleet.image_refs WHERE reference = $1)
"""


@pytest.mark.parametrize(
    ("keys", "hosts", "places"),
    [
        ('site = ["ber1"]', 2, ["ber1/rack-1", "ber1/rack-10"]),
        ('place = ["ber1/rack-1"]', 1, ["ber1/rack-1"]),
        ('place = ["fra1", "ber1/rack-10"]', 2, ["ber1/rack-10", "fra1/rack-1/slot-2"]),
        ('label = { env = "prod" }', 2, ["ber1/rack-1", "fra1/rack-1/slot-2"]),
        ('site = ["fra1"]\nlabel = { env = "prod" }', 1, ["fra1/rack-1/slot-2"]),
    ],
)
async def test_a_route_counts_the_hosts_that_it_is_about(
    dsn: str,
    fresh_nats: NatsServer,
    connected: Bus,
    receiving: Receiver,
    tmp_path: Path,
    keys: str,
    hosts: int,
    places: list[str],
) -> None:
    """Site, place and label choose hosts; a route without such hosts tells nothing."""
    none = f'{AT_ONCE}\nlabel = {{ env = "none" }}'
    routes = write_routes(tmp_path, receiving.url, none=none, some=f"{AT_ONCE}\n{keys}")
    async with notifier(dsn, fresh_nats.url, routes):
        await move(dsn, connected)
        await until(lambda: receiving.received, what="a message")

    [item] = receiving.received[0].items
    assert (item["hosts"], item["places"], item["place_count"]) == (hosts, places, len(places))
    assert receiving.received[0].read["data"]["route"] == "some"


async def test_registries_and_verdicts_choose_images(
    dsn: str, fresh_nats: NatsServer, connected: Bus, receiving: Receiver, tmp_path: Path
) -> None:
    """One route tells of one registry, another of tags that are gone."""
    routes = write_routes(
        tmp_path,
        receiving.url,
        ghcr=f'{AT_ONCE}\nregistry = ["ghcr.io"]',
        gone=f'{AT_ONCE}\nverdict = ["missing"]\nversions = false',
    )
    async with notifier(dsn, fresh_nats.url, routes):
        for reference in REFERENCES[:2]:
            await move(dsn, connected, reference)
        await execute(dsn, GONE, REFERENCES[2])
        await publish_change(connected, REFERENCES[2])
        await move(dsn, connected, REFERENCES[3])
        await until(lambda: len(receiving.received) == 2, what="two messages")

    def topics_of(route: str) -> list[Any]:
        return [
            (item["kind"], item["reference"])
            for each in receiving.received
            for item in each.items
            if each.read["data"]["route"] == route
        ]

    assert topics_of("ghcr") == [("outdated", REFERENCES[3])]
    assert topics_of("gone") == [("missing", REFERENCES[2])]
