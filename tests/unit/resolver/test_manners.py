"""What is learnt of a registry's ways, for whom it holds, and how it is forgotten."""

from imagedrift_resolver.core.manners import (
    DOOR_USES,
    GETS_WITHOUT_HEAD,
    IN_VAIN,
    MOST_KEPT,
    Manners,
    project_of,
)
from imagedrift_resolver.core.site import Bearer
from imagedrift_resolver.core.url import parse_url

ORIGIN = ("https", "r.example", 443)


def way(place: str, scope: str = "") -> Bearer:
    """A way in by tokens from there."""
    return Bearer(parse_url(f"https://r.example/{place}"), "s", "me", scope)


def test_a_way_is_tried_for_other_repositories_of_an_origin() -> None:
    """Else each repository would cost a challenge."""
    manners = Manners().with_way((ORIGIN, "a/b"), way("one"))
    assert manners.way_to((ORIGIN, "c/d")) == way("one")
    assert manners.way_to((("https", "other.example", 443), "a/b")) is None


def test_repositories_that_differ_have_ways_of_their_own() -> None:
    """Once two differ nothing is guessed of a third (oras-project/oras-dotnet#415)."""
    manners = Manners().with_way((ORIGIN, "a/b"), way("one"))
    manners = manners.without_way((ORIGIN, "c/d"))
    manners = manners.with_way((ORIGIN, "c/d"), way("two"), instead_of=way("one"))
    manners = manners.with_way((ORIGIN, "a/b"), way("one"), instead_of=way("two"))
    assert manners.way_to((ORIGIN, "a/b")) == way("one")
    assert manners.way_to((ORIGIN, "c/d")) == way("two")
    assert manners.way_to((ORIGIN, "e/f")) is None


def test_a_way_that_moved_is_tried_first_from_then_on() -> None:
    """The next repository does not have to find out for itself."""
    manners = Manners().with_way((ORIGIN, "a/b"), way("old"))
    manners = manners.without_way((ORIGIN, "c/d"))
    manners = manners.with_way((ORIGIN, "c/d"), way("new"), instead_of=way("old"))
    assert manners.way_to((ORIGIN, "a/b")) == way("new")


def test_a_scope_of_one_path_is_not_used_for_another() -> None:
    """A redirected path tells its scope itself (containerd/containerd#6339)."""
    manners = Manners().with_way((ORIGIN, "/x/node/manifests"), way("t", "repository:node:pull"))
    assert manners.way_to((ORIGIN, "/x/node/manifests")) == way("t", "repository:node:pull")
    assert manners.way_to((ORIGIN, "team/app")) == way("t")


def test_head_is_learnt_for_a_project_and_tried_again_in_time() -> None:
    """A proxied project that does it badly leaves it to the others (goharbor/harbor#13153)."""
    manners = Manners().with_head("cache/a", in_vain=True).with_head("cache/b", in_vain=True)
    assert not manners.does_head("cache/c")
    assert manners.does_head("apps/c")
    for _ in range(GETS_WITHOUT_HEAD - IN_VAIN):
        manners = manners.without_head("cache/c", found=True)
    assert manners.does_head("cache/c")


def test_a_get_without_head_that_finds_nothing_makes_head_worth_a_request() -> None:
    """What was learnt of HEAD may no longer hold."""
    manners = Manners().with_head("a", in_vain=True, certain=True)
    assert not manners.does_head("b")
    assert manners.without_head("a", found=False).does_head("a")


def test_what_two_conversations_learn_is_kept_and_what_one_forgets_is_gone() -> None:
    """The one that ends last does not bring back what it began with."""
    base = Manners().with_way((ORIGIN, "a"), way("old"))
    forgot = base.without_way((ORIGIN, "a"))
    learnt = base.with_head("p/x", in_vain=True)
    joined = base.joined(base, forgot).joined(base, learnt)
    assert joined == forgot.with_head("p/x", in_vain=True)
    moved = forgot.with_way((ORIGIN, "a"), way("new"), instead_of=way("old"))
    assert base.joined(base, moved).joined(base, forgot).way_to((ORIGIN, "a")) == way("new")


def test_what_is_known_is_bounded() -> None:
    """A hundred thousand projects do not fill a resolver's memory."""
    manners = Manners()
    for number in range(MOST_KEPT + 10):
        manners = manners.with_head(f"p{number}/x", in_vain=True)
        manners = manners.with_door((f"h{number}", "x", 1), DOOR_USES)
        manners = manners.with_way((ORIGIN, f"p{number}/x"), way(str(number)))
    assert max(len(manners.vain), len(manners.doors), len(manners.ways)) <= MOST_KEPT


def test_a_project_is_the_first_part_of_a_name() -> None:
    """A name of one part belongs to a project without a name."""
    names = ["hub-cache/beats/filebeat", "apps/web", "node"]
    assert [project_of(name) for name in names] == ["hub-cache", "apps", ""]
