"""Several ingest processes at once, of which some die."""

import signal
from pathlib import Path

import pytest

from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.postgres import PostgresServer
from imagedrift_sandbox.processes import ServiceProcess
from imagedrift_schemas import subjects
from support.ingest import NGINX, Fleet, Operator, answer, image
from support.polling import until
from support.postgres import NEWEST

HOSTS = 300


@pytest.fixture
def environment(postgres: PostgresServer, fresh_nats: NatsServer) -> dict[str, str]:
    """Return the environment of a process."""
    return {
        "DATABASE_URL": postgres.dsn(),
        "NATS_URL": fresh_nats.url,
        "IMAGEDRIFT_LOG": "json",
        "IMAGEDRIFT_INGEST_BATCH": "10",
    }


async def test_a_replica_that_is_killed_costs_nothing_but_time(
    environment: dict[str, str], agents: Fleet, operator: Operator, tmp_path: Path
) -> None:
    """P4: a killed replica's work is done by the others, and the tables are the truth."""
    script = "imagedrift-ingest"
    logs = [tmp_path / f"{number}.log" for number in range(3)]
    async with (
        ServiceProcess.start(script, environment, log=logs[0]) as first,
        ServiceProcess.start(script, environment, log=logs[1]),
    ):
        for number in range(HOSTS):
            await agents.has(f"h{number}", image(version=number % 4))
            if number == HOSTS // 2:
                first.child.kill()
        await agents.answers(answer(version=3))
        async with ServiceProcess.start(script, environment, log=logs[2]):

            async def everything() -> bool:
                [row] = await operator.ask("SELECT * FROM ops.fleet_summary")
                return bool(
                    (row["hosts"], row["images"], row["current"]) == (HOSTS, HOSTS, HOSTS // 4)
                )

            await until(everything, what="the whole fleet is judged", within_s=120)

            async def nothing_left() -> bool:
                lag = await agents.bus.lag(subjects.STREAM_INVENTORY, subjects.CONSUMER_INGEST)
                return lag.pending + lag.in_flight == 0

            await until(nothing_left, what="everything is acknowledged", within_s=120)
    [images] = await operator.ask("SELECT * FROM ops.images")
    assert (images["reference"], images["variants"]) == (NGINX, 4)
    assert (images["hosts"], images["outdated_hosts"]) == (HOSTS, HOSTS * 3 // 4)


# About the process, which is the same with every database.
@pytest.mark.parametrize("model", [NEWEST], indirect=True)
async def test_a_process_stops_when_it_is_told_to(
    environment: dict[str, str], agents: Fleet, tmp_path: Path
) -> None:
    """SIGTERM ends ingest with exit code 0."""
    log = tmp_path / "ingest.log"
    async with ServiceProcess.start("imagedrift-ingest", environment, log=log) as service:
        assert service.child.stop(signal.SIGTERM, bound_s=20) == 0
