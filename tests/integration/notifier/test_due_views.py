"""Due images, as a route reads them."""

from imagedrift_notifier.adapters.database import open_database
from imagedrift_notifier.adapters.due_views import DueViews
from imagedrift_notifier.adapters.message_tables import MessageTables
from imagedrift_notifier.core.route import HostFilter, TopicKind
from support.decided_fleet import NEW, OLD, REFERENCES
from support.notifier import FAIL, NGINX, execute, route
from support.operator import Operator

ALL: tuple[TopicKind, ...] = ("outdated", "version", "missing")
CLAIM = """
INSERT INTO notify.claims (route, kind, reference, target) VALUES ('ops', $1, $2, $3)
"""
MADE_UP = """
WITH r AS (
  INSERT INTO fleet.image_refs (reference, registry, repository, tag, policy)
  SELECT format('made-up-%s.example/a:%s', n, t), format('made-up-%s.example', n), 'a', t, 'ask'
  FROM generate_series(1, 200) AS n, generate_series(1, 3) AS t
  RETURNING ref_id
), a AS (
  INSERT INTO fleet.answers (ref_id, failure, error, failures, failing_since, attempted_at)
  SELECT ref_id, 'unreachable', 'no such host', 3, now() - interval '2 days', now() FROM r
), c AS (
  INSERT INTO fleet.comparisons
    (ref_id, image_id, repo_digests, platform, verdict, reason, verdict_since)
  SELECT ref_id, $1, ARRAY[$1::text], 'linux/amd64', 'unknown', 'unreachable', now() FROM r
  RETURNING comparison_id
)
INSERT INTO fleet.host_images (host_id, comparison_id, since, running)
SELECT (SELECT min(host_id) FROM fleet.hosts), comparison_id, now(), 1 FROM c
"""
"""One host names registries that do not exist."""
ANSWERED = """
UPDATE fleet.answers AS a
SET
  remote_digest = $1, remote_since = now() - interval '9 days',
  failing_since = now() - interval '47 hours'
FROM fleet.image_refs AS r
WHERE r.ref_id = a.ref_id AND r.registry = 'made-up-99.example'
"""
"""One of them did answer, and fails for less long than the others."""
GONE = "UPDATE fleet.answers SET failure = NULL, gone = true WHERE failure = 'denied'"
NEWER = """
SELECT v.reference, n.tag
FROM ops.versions AS v
CROSS JOIN LATERAL (VALUES (v.newest_patch), (v.newest_minor), (v.newest_major)) AS n (tag)
WHERE n.tag IS NOT NULL
"""


async def test_a_group_says_from_what_to_what(dsn: str) -> None:
    """Digests are told where no version is known."""
    async with open_database(dsn) as database:
        [group] = await DueViews(database).of_references(HostFilter(), ALL, [NGINX])

    assert (group.topic.kind, group.topic.target, group.hosts) == ("outdated", NEW, 3)
    assert (group.from_versions, group.to_version) == ((OLD,), NEW)
    assert group.since is not None


async def test_what_a_route_does_not_tell_is_not_read(dsn: str) -> None:
    """Hosts of another site, or another kind, have no groups."""
    async with open_database(dsn) as database:
        views = DueViews(database)

        assert await views.of_references(HostFilter(), ("missing",), [NGINX]) == []
        assert await views.of_references(HostFilter(sites=("none",)), ALL, [NGINX]) == []
        assert await views.of_references(HostFilter(), ALL, ["docker.io/library/none:1"]) == []
        assert await views.errors() == []


async def test_a_tag_that_is_gone_is_no_failure_of_its_registry(dsn: str) -> None:
    """A registry that refuses is told of, and not one that says that there is no such tag."""
    async with open_database(dsn) as database:
        await execute(dsn, FAIL)
        assert [each.topic.target for each in await DueViews(database).errors()] == ["denied"]

        await execute(dsn, GONE)
        assert await DueViews(database).errors() == []


async def test_registries_that_one_host_made_up_hide_no_real_one(dsn: str) -> None:
    """Of two hundred registries that one host named few are told, beside the one that all have."""
    await execute(dsn, MADE_UP, OLD)
    await execute(dsn, FAIL)
    async with open_database(dsn) as database:
        views = DueViews(database)
        told = [each.topic.reference for each in await views.errors()]
        assert len(told) == 11
        assert "ghcr.io" in told
        assert [each.topic.reference for each in await views.errors("ghcr.io")] == ["ghcr.io"]


async def test_a_registry_that_ever_answered_is_told_before_made_up_ones(dsn: str) -> None:
    """Of the registries of one host the one that did answer is among the few that are told."""
    await execute(dsn, MADE_UP, OLD)
    async with open_database(dsn) as database:
        assert "made-up-99.example" not in {
            each.topic.reference for each in await DueViews(database).errors()
        }
        await execute(dsn, ANSWERED, OLD)
        told = [each.topic.reference for each in await DueViews(database).errors()]
        assert len(told) == 10
        assert "made-up-99.example" in told


async def test_candidates_are_what_not_every_route_has_claimed(dsn: str) -> None:
    """Candidates come in the order of their names, some at a time, each with its routes."""
    ops, chat = route("ops"), route("chat")
    async with open_database(dsn) as database:
        views = DueViews(database)
        await MessageTables(database).enter(["ops", "chat"])

        first = await views.candidates([ops], "", 2)
        rest = await views.candidates([ops], first[-1].reference, 10)
        names = [each.reference for each in (*first, *rest)]
        assert names == sorted(REFERENCES) == list(await views.references())

        await execute(dsn, CLAIM, "outdated", REFERENCES[3], NEW)
        left = await views.candidates([ops, chat], "", 10)
        assert {each.reference: each.routes for each in left} == {
            each: {"chat"} if each == REFERENCES[3] else {"chat", "ops"} for each in REFERENCES
        }


async def test_a_newer_version_that_was_told_is_no_candidate(dsn: str) -> None:
    """Each step is a topic of its own, and a route that tells no versions looks at none."""
    ops = route("ops", kinds=("version",))
    async with open_database(dsn) as database:
        views = DueViews(database)
        await MessageTables(database).enter(["ops"])
        steps = await newer_tags(dsn)
        assert steps
        found = await views.candidates([ops], "", 100)
        assert {each.reference for each in found} == {reference for reference, _ in steps}
        assert await views.candidates([route("ops", kinds=("missing",))], "", 100) == []

        for reference, tag in steps:
            await execute(dsn, CLAIM, "version", reference, tag)
        assert await views.candidates([ops], "", 100) == []


async def newer_tags(dsn: str) -> list[tuple[str, str]]:
    """Read which references have which newer tags."""
    return [(row["reference"], row["tag"]) for row in await Operator(dsn).ask(NEWER)]


async def test_a_statement_reads_many_images(dsn: str) -> None:
    """Images that few hosts have are read together, and each has a group of its own."""
    async with open_database(dsn) as database:
        views = DueViews(database)

        [portion] = await views.portions([*REFERENCES, "docker.io/library/none:1"])
        groups = await views.of_references(HostFilter(), ("outdated",), portion)
        topics = await views.due_topics(HostFilter(), ("outdated",), portion)

    assert portion == [*REFERENCES, "docker.io/library/none:1"]
    assert sorted((each.topic.reference, each.hosts) for each in groups) == [
        (each, 3) for each in sorted(REFERENCES)
    ]
    assert {each.places for each in groups} == {
        ("ber1/rack-1", "ber1/rack-10", "fra1/rack-1/slot-2")
    }
    assert {(each.topic, each.due_at) for each in topics} == {
        (each.topic, each.due_at) for each in groups
    }
