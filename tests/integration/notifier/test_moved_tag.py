"""The whole way: a registry's answer, ingest's verdict, one message on each route."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from imagedrift_runtime.nats.bus import Bus
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.postgres import PostgresServer
from support.ingest import NGINX, Fleet, answer, digest, image, ingest
from support.notifier import Receiver, notifier, write_routes
from support.operator import Operator
from support.polling import until
from support.postgres import fresh_database, migrated


@pytest.fixture
def empty(postgres_server: PostgresServer) -> Iterator[str]:
    """A database without facts."""
    yield from fresh_database(postgres_server, migrated(postgres_server))


async def test_a_tag_that_moves_in_its_registry_is_told_once_on_each_route(
    empty: str, fresh_nats: NatsServer, connected: Bus, receiving: Receiver, tmp_path: Path
) -> None:
    """Ingest is told that a tag moved; people are told on which hosts, and from what to what."""
    routes = write_routes(
        tmp_path, receiving.url, ops='gather = "0s"', dc2='gather = "0s"\nplace = ["dc2"]'
    )
    operator, agents = Operator(empty), Fleet(connected)
    async with ingest(empty, fresh_nats.url), notifier(empty, fresh_nats.url, routes):
        for number in range(3):
            place = f"dc{number % 2 + 1}/rack-{number}"
            await agents.has(f"web-{number}", image(running=number), place=place)
        await agents.answers(answer(version=1))
        await until(lambda: operator.ask("SELECT FROM ops.hosts OFFSET 2"), what="three hosts")
        await operator.sees(NGINX, verdict="current")
        await agents.answers(answer(version=2))
        await until(lambda: len(receiving.received) == 2, what="a message on each route")

    by_route = {each.read["data"]["route"]: each.items for each in receiving.received}
    [whole], [part] = by_route["ops"], by_route["dc2"]
    assert (whole["hosts"], whole["running_hosts"], part["hosts"]) == (3, 2, 1)
    assert whole["target"] == digest((NGINX, 2))
    assert whole["from"] == [digest((NGINX, 1))]
    assert whole["places"] == ["dc1/rack-0", "dc1/rack-2", "dc2/rack-1"]
