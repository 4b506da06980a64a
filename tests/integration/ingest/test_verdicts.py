"""Verdicts that change without an answer: by another policy, or by newer rules."""

import pytest

from imagedrift_ingest.adapters.postgres import connection as postgres
from imagedrift_ingest.adapters.postgres.verdicts import StoredVerdicts
from imagedrift_sandbox.nats import NatsServer
from support.ingest import Fleet, Operator, image, ingest
from support.storing import database_of


@pytest.mark.usefixtures("filled")
async def test_a_registry_that_gets_configured_is_asked_from_then_on(
    dsn: str, fresh_nats: NatsServer, agents: Fleet, operator: Operator
) -> None:
    """A machine-bound registry that gets configured is asked from then on."""
    own = "localhost:5000/app:1"
    async with ingest(dsn, fresh_nats.url):
        await agents.has("web-3", image(own))
        await operator.sees(own, verdict="unknown", reason="refused", next_check_at=None)

    async with postgres.pool(dsn, connections=1) as pool:
        assert (
            await StoredVerdicts(database_of(pool)).apply_policy(
                lambda name: name == "localhost:5000"
            )
            == 1
        )
    row = await operator.sees(own, verdict="unknown", reason="not_checked")
    assert row["next_check_at"] is not None
