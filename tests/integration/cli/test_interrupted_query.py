"""A query that is interrupted ends in one line or in none, and is over in the database."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator

import asyncpg
import pytest

from imagedrift_sandbox.processes import console_script
from support.operator import Operator
from support.polling import until


def begun(*arguments: str, **environment: str) -> "subprocess.Popen[str]":
    """Start the command in a pipe."""
    return subprocess.Popen(
        [console_script("imagedrift"), *arguments],
        env={"PATH": os.defpath} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


@pytest.fixture
async def waiting_list(own_dsn: str) -> AsyncIterator["subprocess.Popen[str]"]:
    """A list that waits, as somebody has locked what it reads."""
    connection = await asyncpg.connect(own_dsn)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE fleet.host_images IN ACCESS EXCLUSIVE MODE")
            with begun("outdated", DATABASE_URL=own_dsn) as process:
                await until(lambda: Operator(own_dsn).ask(WAITING), "the list waits")
                yield process
                process.kill()
    finally:
        await connection.close()


async def test_a_database_that_goes_away_in_the_middle_is_error_line(
    waiting_list: "subprocess.Popen[str]", own_dsn: str
) -> None:
    """A query whose connection is lost is one line, and no half of an answer."""
    ending = WAITING.replace("pid", "pg_terminate_backend(pid)", 1)
    await Operator(own_dsn).ask(ending)

    out, err = await asyncio.to_thread(waiting_list.communicate, timeout=30)

    assert (waiting_list.returncode, out) == (69, ""), err
    [line] = err.splitlines()
    assert line.startswith("Error: the database")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_query_is_ended_by_ctrl_c_and_by_sigterm(
    waiting_list: "subprocess.Popen[str]", own_dsn: str, number: signal.Signals
) -> None:
    """The database is told, so that it does not go on for nobody."""
    waiting_list.send_signal(number)
    out, err = await asyncio.to_thread(waiting_list.communicate, timeout=30)

    assert (waiting_list.returncode, out, err.strip()) == (130, "", "")

    async def is_over() -> bool:
        return not await Operator(own_dsn).ask(WAITING)

    await until(is_over, "no query is left")
