"""Lessons about a registry: for which repositories they hold, and how they are forgotten."""

from imagedrift_resolver.core.registry_profile import (
    GETS_WITHOUT_HEAD,
    IN_VAIN,
    MOST_KEPT,
    ROOT_USES,
    RegistryProfile,
    project_of,
)
from imagedrift_resolver.core.site import Bearer
from imagedrift_resolver.core.url import parse_url

ORIGIN = ("https", "r.example", 443)


def auth(place: str, scope: str = "") -> Bearer:
    """An auth method: tokens from there."""
    return Bearer(parse_url(f"https://r.example/{place}"), "s", "me", scope)


def test_a_auth_method_is_tried_for_other_repositories_of_an_origin() -> None:
    """A learnt auth method is tried for other repositories of the origin."""
    profile = RegistryProfile().with_auth_method((ORIGIN, "a/b"), auth("one"))
    assert profile.auth_method_of((ORIGIN, "c/d")) == auth("one")
    assert profile.auth_method_of((("https", "other.example", 443), "a/b")) is None


def test_repositories_that_differ_have_auth_methods_of_their_own() -> None:
    """Repositories with different auth methods each keep theirs (oras-project/oras-dotnet#415)."""
    profile = RegistryProfile().with_auth_method((ORIGIN, "a/b"), auth("one"))
    profile = profile.without_auth_method((ORIGIN, "c/d"))
    profile = profile.with_auth_method((ORIGIN, "c/d"), auth("two"), instead_of=auth("one"))
    profile = profile.with_auth_method((ORIGIN, "a/b"), auth("one"), instead_of=auth("two"))
    assert profile.auth_method_of((ORIGIN, "a/b")) == auth("one")
    assert profile.auth_method_of((ORIGIN, "c/d")) == auth("two")
    assert profile.auth_method_of((ORIGIN, "e/f")) is None


def test_a_auth_method_that_moved_is_tried_first_from_then_on() -> None:
    """A changed auth method is tried first for the next repository."""
    profile = RegistryProfile().with_auth_method((ORIGIN, "a/b"), auth("old"))
    profile = profile.without_auth_method((ORIGIN, "c/d"))
    profile = profile.with_auth_method((ORIGIN, "c/d"), auth("new"), instead_of=auth("old"))
    assert profile.auth_method_of((ORIGIN, "a/b")) == auth("new")


def test_a_scope_of_one_path_is_not_used_for_another() -> None:
    """A scope of one path is not used for another (containerd/containerd#6339)."""
    profile = RegistryProfile().with_auth_method(
        (ORIGIN, "/x/node/manifests"), auth("t", "repository:node:pull")
    )
    assert profile.auth_method_of((ORIGIN, "/x/node/manifests")) == auth(
        "t", "repository:node:pull"
    )
    assert profile.auth_method_of((ORIGIN, "team/app")) == auth("t")


def test_head_is_learnt_for_a_project_and_tried_again_in_time() -> None:
    """Whether HEAD works is learnt per project, and tried again (goharbor/harbor#13153)."""
    profile = (
        RegistryProfile().with_head("cache/a", in_vain=True).with_head("cache/b", in_vain=True)
    )
    assert not profile.does_head("cache/c")
    assert profile.does_head("apps/c")
    for _ in range(GETS_WITHOUT_HEAD - IN_VAIN):
        profile = profile.without_head("cache/c", found=True)
    assert profile.does_head("cache/c")


def test_a_get_without_head_that_finds_nothing_makes_head_worth_a_request() -> None:
    """The lesson about HEAD may no longer hold."""
    profile = RegistryProfile().with_head("a", in_vain=True, certain=True)
    assert not profile.does_head("b")
    assert profile.without_head("a", found=False).does_head("a")


def test_what_two_conversations_learn_is_kept_and_what_one_forgets_is_gone() -> None:
    """The results of two conversations at once are both kept."""
    base = RegistryProfile().with_auth_method((ORIGIN, "a"), auth("old"))
    forgot = base.without_auth_method((ORIGIN, "a"))
    learnt = base.with_head("p/x", in_vain=True)
    joined = base.joined(base, forgot).joined(base, learnt)
    assert joined == forgot.with_head("p/x", in_vain=True)
    moved = forgot.with_auth_method((ORIGIN, "a"), auth("new"), instead_of=auth("old"))
    assert base.joined(base, moved).joined(base, forgot).auth_method_of((ORIGIN, "a")) == auth(
        "new"
    )


def test_what_is_known_is_bounded() -> None:
    """The profile of a registry is bounded in memory."""
    profile = RegistryProfile()
    for number in range(MOST_KEPT + 10):
        profile = profile.with_head(f"p{number}/x", in_vain=True)
        profile = profile.with_root((f"h{number}", "x", 1), ROOT_USES)
        profile = profile.with_auth_method((ORIGIN, f"p{number}/x"), auth(str(number)))
    assert max(len(profile.vain), len(profile.roots), len(profile.auth_methods)) <= MOST_KEPT


def test_a_project_is_the_first_part_of_a_name() -> None:
    """The project of a repository is the first part of its name."""
    names = ["hub-cache/beats/filebeat", "apps/web", "node"]
    assert [project_of(name) for name in names] == ["hub-cache", "apps", ""]
