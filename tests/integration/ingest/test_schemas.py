"""PostgreSQL stores every value that the JSON Schemas let through, without a dead letter."""

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagedrift_ingest.adapters.postgres import connection
from imagedrift_ingest.adapters.postgres.dead_letters import DeadLetterTable
from imagedrift_ingest.adapters.postgres.heartbeats import StoredHeartbeats
from imagedrift_ingest.adapters.postgres.host_ids import HostIds
from imagedrift_ingest.adapters.postgres.registries import RegistryTable
from imagedrift_ingest.core.heartbeats import heartbeat_of
from imagedrift_ingest.usecases.store.answers import StoreDeadLetters, StoreRegistryStates
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.outcomes import Done
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Alive, Answer, DeadLetter, Described, Inventory, RegistryState
from support.ingest import NOW
from support.schemas import messages
from support.storing import (
    StillStream,
    answers_on,
    comparison_ids_on,
    database_of,
    hosts_on,
    store_answers,
    store_inventories,
)

few = settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def several(*kinds: type[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Make a batch of messages."""
    return st.lists(st.one_of(*map(messages, kinds)), min_size=4, max_size=8)


def delivered(messages: Sequence[dict[str, Any]], subject: str = "a.b") -> list[Delivery]:
    """Return messages as they are delivered."""
    return [
        Delivery(
            subjects.inventory(each["site"], each["host"]) if "images" in each else subject,
            json.dumps(each).encode(),
            "S",
            seq,
            1,
            NOW,
        )
        for seq, each in enumerate(messages, start=1)
    ]


@few
@given(several(Inventory), several(Answer, Described), several(RegistryState), several(DeadLetter))
async def test_the_database_takes_what_the_schemas_let_through(
    dsn: str,
    documents: list[dict[str, Any]],
    answered: list[dict[str, Any]],
    states: list[dict[str, Any]],
    letters: list[dict[str, Any]],
) -> None:
    """The database stores every schema-valid message."""
    async with connection.pool(dsn, connections=2) as pool:
        database = database_of(pool)
        stream = StillStream()
        store_states = StoreRegistryStates(RegistryTable(database), stream)
        store_letters = StoreDeadLetters(DeadLetterTable(database), stream)
        documents = [{"images": [], **each} for each in documents]

        outcomes = [
            *await store_inventories(hosts_on(database)).handle(delivered(documents)),
            *await store_answers(answers_on(database)).handle(delivered(answered)),
            *await store_states.handle(delivered(states)),
            *await store_letters.handle(delivered(letters)),
        ]

    assert outcomes == [Done()] * len(outcomes)


@few
@given(several(Alive))
async def test_the_database_takes_the_heartbeats_that_the_schema_lets_through(
    dsn: str, sent: list[dict[str, Any]]
) -> None:
    """The database stores every schema-valid heartbeat."""
    read = [codec.decode(json.dumps(each).encode(), Alive) for each in sent]
    heartbeats = {(each.site, each.host): heartbeat_of(each) for each in read}
    async with connection.pool(dsn, connections=2) as pool:
        database = database_of(pool)
        keys = HostIds(database, comparison_ids_on(database))
        await StoredHeartbeats(database, keys).store(NOW, heartbeats)
        known = await pool.fetch("SELECT site, host FROM fleet.hosts")

    assert {(row["site"], row["host"]) for row in known} >= heartbeats.keys()
