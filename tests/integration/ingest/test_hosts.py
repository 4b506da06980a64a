"""No host decides for another which size and date an image has."""

from datetime import timedelta

from support.ingest import NGINX, NOW, Fleet, Operator, image
from support.polling import until

BUILT = NOW - timedelta(days=90)
LIE = NOW - timedelta(days=4000)


async def facts(operator: Operator, host: str) -> list[tuple[object, object]]:
    """Size and date of the host's images, as operators see them in both views."""
    rows = await operator.ask(
        "SELECT size, created_at FROM ops.comparisons WHERE host = $1"
        " UNION ALL SELECT size, created_at FROM ops.outdated WHERE host = $1",
        host,
    )
    return [(row["size"], row["created_at"]) for row in rows]


async def test_a_host_that_lies_about_size_changes_no_other_hosts_row(
    running: None, agents: Fleet, operator: Operator
) -> None:
    """A host's wrong size or date changes no other host's row."""
    await agents.has("liar", image(size=1, created_at=LIE))
    await operator.sees(NGINX, host="liar")
    await agents.has("web-1", image(size=1000, created_at=BUILT))
    await agents.has("web-2", image(size=1000, created_at=BUILT), image("r.io/a:1"))
    await operator.sees("r.io/a:1", host="web-2")
    await operator.sees(NGINX, host="web-1")
    assert await facts(operator, "web-1") == [(1000, BUILT)]
    assert await facts(operator, "liar") == [(1, LIE)]

    await agents.has("liar", image(size=2**62, created_at=None))
    await operator.sees(NGINX, host="liar", size=2**62, created_at=None)
    await agents.has("web-1", image(size=1001, created_at=BUILT))
    await operator.sees(NGINX, host="web-1", size=1001, created_at=BUILT)
    assert (1000, BUILT) in await facts(operator, "web-2")

    assert await operator.ask("SELECT 1 FROM ops.host_history WHERE host <> 'web-2'") == []
    stored = await until(
        lambda: operator.ask("SELECT variants FROM ops.images WHERE reference = $1", NGINX),
        what="it is counted",
    )
    assert stored == [{"variants": 1}]


async def test_hosts_that_tell_the_same_keep_nothing_of_their_own(
    running: None, agents: Fleet, operator: Operator, dsn: str
) -> None:
    """Hosts that report the same size and date store nothing of their own."""
    import asyncpg

    for host in ("web-1", "web-2"):
        await agents.has(host, image(size=1000, created_at=BUILT))
        await operator.sees(NGINX, host=host, size=1000, created_at=BUILT)
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT own FROM fleet.host_images")
    finally:
        await connection.close()
    assert [row["own"] for row in rows] == [None, None]
