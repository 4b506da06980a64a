"""Due images, as a route reads them."""

from imagedrift_notifier.adapters.database import open_database
from imagedrift_notifier.adapters.due_views import DueViews
from support.decided_fleet import NEW, OLD, REFERENCES
from support.notifier import NGINX, execute, route


async def test_a_group_says_from_what_to_what(dsn: str) -> None:
    """Digests are told where no version is known."""
    async with open_database(dsn) as database:
        [group] = await DueViews(database).of_reference(route(), NGINX)

    assert (group.topic.kind, group.topic.target, group.hosts) == ("outdated", NEW, 3)
    assert (group.from_versions, group.to_version) == ((OLD,), NEW)
    assert group.since is not None


async def test_what_a_route_does_not_tell_is_not_read(dsn: str) -> None:
    """A route of another registry, or of other kinds, has no groups."""
    async with open_database(dsn) as database:
        views = DueViews(database)

        assert await views.of_reference(route(registries=("ghcr.io",)), NGINX) == []
        assert await views.of_reference(route(kinds=("missing",)), NGINX) == []
        assert await views.of_reference(route(), "docker.io/library/none:1") == []
        assert await views.errors() == []


async def test_candidates_are_what_not_every_route_has_claimed(dsn: str) -> None:
    """Candidates come in the order of their names, some at a time, and end."""
    async with open_database(dsn) as database:
        views = DueViews(database)
        await database.rows("enter_routes", routes=["ops"])

        first = await views.candidates(["ops"], "", 2)
        rest = await views.candidates(["ops"], first[-1], 10)
        assert [*first, *rest] == sorted(REFERENCES) == list(await views.references())

        await execute(
            dsn,
            "INSERT INTO notify.claims (route, kind, reference, target)"
            " SELECT 'ops', 'outdated', $1, $2",
            REFERENCES[3],
            NEW,
        )
        left = await views.candidates(["ops"], "", 10)
    assert set(left) == set(REFERENCES) - {REFERENCES[3]}
