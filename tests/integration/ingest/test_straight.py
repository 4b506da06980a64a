"""From a message on NATS to a row that an operator reads."""

import pytest

from imagedrift_schemas.v1 import Child, Described, Missing, Unreachable
from support.ingest import NGINX, Fleet, Operator, answer, digest, image
from support.nats_client import jetstream
from support.polling import until

pytestmark = pytest.mark.usefixtures("running")


async def test_an_image_is_judged_when_its_answer_comes(agents: Fleet, operator: Operator) -> None:
    """An image nobody asked about is unknown, then current, then outdated when its tag moves."""
    await agents.has("web-1", image(version=1, running=1, containers=("web",)))
    await operator.sees(NGINX, verdict="unknown", reason="not_checked")

    await agents.answers(answer(version=1))
    await operator.sees(NGINX, verdict="current", reason="digest_match", running=1)

    await agents.answers(answer(version=2))
    row = await operator.sees(NGINX, verdict="outdated", reason="digest_differs")
    assert row["remote_digest"] == digest((NGINX, 2))
    assert row["containers"] == ["web"]


async def test_a_reference_is_asked_within_a_second_of_being_seen(
    agents: Fleet, operator: Operator
) -> None:
    """A new reference's question is published at once."""
    await agents.has("web-1", image())

    asked = await until(lambda: agents.asked(NGINX), what="the question", within_s=2)

    assert (asked.registry, asked.repository, asked.tag) == ("docker.io", "library/nginx", "1.27")
    assert asked.fresh_since < asked.asked_at


async def test_a_failure_keeps_the_verdict_and_marks_it(agents: Fleet, operator: Operator) -> None:
    """A registry that is away leaves the verdict, stale and with the error."""
    await agents.has("web-1", image(version=1))
    await agents.answers(answer(version=1))
    await operator.sees(NGINX, verdict="current", stale=False)

    await agents.answers(answer(outcome=Unreachable(reason="connection refused")))
    row = await operator.sees(NGINX, verdict="current", stale=True)
    assert row["error"] == "connection refused"

    await agents.answers(answer(outcome=Missing()))
    row = await operator.sees(NGINX, verdict="missing", reason="not_found", stale=False)
    assert row["remote_digest"] == digest((NGINX, 1))


async def test_a_described_digest_settles_the_platform(agents: Fleet, operator: Operator) -> None:
    """A description shows that an index moved for another platform only."""
    await agents.has("web-1", image(version=1))
    await agents.answers(answer(version=2))
    await operator.sees(NGINX, verdict="outdated", reason="digest_differs")

    child = Child(
        platform="linux/amd64",
        digest=digest("child"),
        config_digest=image(version=1).image_id,
    )
    await agents.answers(
        Described(
            registry="docker.io",
            repository="library/nginx",
            digest=digest((NGINX, 2)),
            checked_at=answer().checked_at,
            children=(child,),
        )
    )
    await operator.sees(NGINX, verdict="current", reason="platform_match")


async def test_a_pulled_but_not_recreated_image_says_so(agents: Fleet, operator: Operator) -> None:
    """A container of a pulled image's predecessor is outdated and `recreate_only`."""
    old = image(version=1, tagged=False, running=1, containers=("web",))
    await agents.has("web-1", old, image(version=2))
    await agents.answers(answer(version=2))
    await operator.sees(NGINX, verdict="current")

    rows = await operator.ask("SELECT * FROM ops.outdated")
    assert [(row["image_id"], row["recreate_only"]) for row in rows] == [(old.image_id, True)]
    images = await operator.ask("SELECT * FROM ops.images")
    assert [(row["hosts"], row["outdated_hosts"], row["variants"]) for row in images] == [(1, 1, 2)]


async def test_local_and_pinned_images_are_never_asked(agents: Fleet, operator: Operator) -> None:
    """P2: local, pinned and machine-bound images are never asked."""
    built = "docker.io/library/mine:1"
    pinned = f"docker.io/library/redis@{digest('redis')}"
    own = "localhost:5000/app:1"
    await agents.has(
        "web-1", image(built, repo_digests=()), image(pinned), image(own), image(NGINX)
    )
    await until(lambda: agents.asked(NGINX), what="the one question")

    await operator.sees(built, verdict="local", reason="no_repo_digest")
    await operator.sees(pinned, verdict="pinned", reason="by_digest", tag=None)
    await operator.sees(own, verdict="unknown", reason="refused")
    state = await jetstream(agents.bus).stream_info("DRIFT_LOOKUP")
    assert state.state.messages == 1


async def test_a_heartbeat_keeps_a_host_from_being_silent(
    agents: Fleet, operator: Operator
) -> None:
    """A host that only sends heartbeats is not silent."""
    await agents.has("web-1", image())
    await operator.sees(NGINX)
    [before] = await operator.ask("SELECT last_seen_at FROM ops.hosts")

    async def seen_later() -> bool:
        await agents.lives("web-1", degraded="engine away")
        [row] = await operator.ask("SELECT last_seen_at, degraded FROM ops.hosts")
        return bool(row["last_seen_at"] > before["last_seen_at"] and row["degraded"])

    await until(seen_later, what="a later heartbeat")
