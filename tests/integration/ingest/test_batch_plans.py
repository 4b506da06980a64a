"""How ingest's own statements are planned: for arrays of any length, and without whole tables."""

import re

import asyncpg
import pytest

from imagedrift_bench.seed import seed
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_runtime.clock import now
from imagedrift_sandbox.fleet.invented import InventedFleet
from support.plans import generic_plan, plan, scanned


async def test_the_planner_of_questions_never_reads_all_images(fleet_dsn: str) -> None:
    """The query of due questions never reads all images."""
    found = await plan(fleet_dsn, load("planner")["due"], now(), 1000, 1000, now(), 200)
    assert "host_images" not in scanned(found)


@pytest.mark.parametrize("before", [("read_by_index",), ()])
async def test_looking_for_what_no_host_has_reads_no_whole_table(
    dsn: str, before: tuple[str, ...]
) -> None:
    """A small table of images grows under a plan that reads it again for each reference."""
    statements = load("planner")
    connection = await asyncpg.connect(dsn)
    try:
        await seed(connection, InventedFleet(hosts=1000, images=5, references=5))
        await connection.execute("ANALYZE; SET plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE p AS {statements['unwanted']}")
        async with connection.transaction():
            for name in before:
                await connection.execute(statements[name])
            rows = await connection.fetch("EXPLAIN EXECUTE p (NULL, NULL, NULL)")
    finally:
        await connection.close()
    found = scanned("\n".join(row[0] for row in rows))
    assert bool(found & {"comparisons", "host_images"}) == (not before)


def _reads(line: str) -> bool:
    """Tell whether a line is a node that reads: others have the nodes that do below them."""
    passes_on = ("Memoize", "Nested Loop", "WindowAgg", "Sort")
    return line.strip().startswith("->") and not any(node in line for node in passes_on)


def inner_sides(text: str) -> list[str]:
    """Return the nodes that a nested loop reads for each row without an index."""
    lines = text.splitlines()
    found = []
    for place, line in enumerate(lines):
        if "Nested Loop" not in line:
            continue
        arrow = " " * (re.search(r"\S", line).start() + (6 if "->" in line else 2)) + "->"  # type: ignore[union-attr]
        children = [at for at, child in enumerate(lines) if at > place and child.startswith(arrow)]
        second = next(at for at in range(children[1], len(lines)) if _reads(lines[at]))
        found.append(lines[second].strip()[2:].strip())
    return [side for side in found if "Index" not in side and "Limit" not in side]


SHORT = (
    "Function Scan on w",  # changed images are paired with the hosts of the batch, to know when
    "CTE Scan on crowds w",  # hosts with more than a thousand references of their own
    "Materialize",  # due references are paired with the registries, of which there are few
    "Aggregate",  # the hosts of one image are counted from an index
    "Seq Scan on descriptions d",  # empty in this database
    "Seq Scan on descriptions d_1",  # the same of base images
    "Seq Scan on descriptions d_2",
    "Seq Scan on descriptions d_3",
    "Seq Scan on descriptions t_1",
    "Seq Scan on descriptions t",
    "Seq Scan on descriptions o",
    'Values Scan on "*VALUES*"',  # both sides of a candidate
)
HOT = [
    (file, name)
    for file in (
        "hosts",
        "comparisons",
        "quotas",
        "answers",
        "descriptions",
        "planner",
        "digest_questions",
        "lists",
        "base_images",
        "outbox",
    )
    for name in load(file)
]


OF_THE_FLEET = {"count_lists", "uncompared", "rest_bases", "unread_bases", "undescribed"}
"""Statements that look at all references, or all images, in a turn, most every half minute."""


@pytest.mark.parametrize(("file", "name"), HOT)
async def test_a_batch_is_never_compared_row_by_row_with_itself(
    fleet_dsn: str, file: str, name: str
) -> None:
    """A prepared statement is planned for arrays of unknown length, which are taken for short.

    A nested loop without an index is then cheap on paper and costs seconds a batch.
    """
    count = max(map(int, re.findall(r"\$(\d+)", load(file)[name])), default=0)
    arguments = f"({', '.join(['NULL'] * count)})" if count else ""
    connection = await asyncpg.connect(fleet_dsn, server_settings={"random_page_cost": "1.1"})
    try:
        found = await generic_plan(connection, file, name, arguments)
    finally:
        await connection.close()
    assert [side for side in inner_sides(found) if side not in SHORT] == [], found
    whole = {"host_images", "host_state"}
    if name not in OF_THE_FLEET and file != "planner":  # which looks at all references that are due
        whole |= {"answers", "comparisons"}
    assert not scanned(found) & whole, found
