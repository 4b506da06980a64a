"""Credentials on the way: they follow no redirect out of their path or host."""

import pytest

from imagedrift_resolver.core.conversation import Authorise, RegistryProfile, Send, resolve
from imagedrift_resolver.core.credential import (
    Anonymous,
    Credential,
    Password,
    RegistryToken,
    Secret,
)
from imagedrift_resolver.core.reply import Reply
from imagedrift_schemas.v1 import Found
from support.asked_registries import BEARER, ask
from support.conversations import (
    NOW,
    challenge,
    good,
    moved,
    page,
    play,
    shown,
    site,
)

ME = Password("me", Secret("hunter2"))


def test_a_redirect_elsewhere_is_never_followed_by_a_question_to_its_api_root() -> None:
    """After a redirect the `/v2/` of the other host is not asked."""
    seen: list[Send] = []

    def server(step: Send) -> Reply:
        seen.append(step)
        return moved("https://cdn.example/v2/x/manifests/1") if len(seen) == 1 else page(404)

    ask(ME, server)
    assert not any(s.authorization for s in seen)
    assert not any(s.url.target == "/v2/" for s in seen if s.url.host == "cdn.example")


@pytest.mark.parametrize("wants", ["Basic", BEARER])
@pytest.mark.parametrize("credential", [ME, RegistryToken(Secret("t"), "me")])
def test_a_credential_of_a_path_does_not_follow_a_redirect_into_another(
    wants: str, credential: Credential
) -> None:
    """A credential of a path does not follow a redirect into another path."""
    own = site(credential=credential, part="org-a")

    def server(step: Send) -> Reply:
        if "/org-b/" in step.url.target:
            return challenge(wants)
        return moved("/v2/org-b/app/manifests/1") if shown(step) else challenge(wants)

    learnt = RegistryProfile()
    for _ in range(2):
        outcome, learnt, steps = play(resolve(own, learnt, "org-a/app", "1", NOW), server)
        sent = [s for s in steps if isinstance(s, Send) and "/org-b/" in s.url.target]
        assert not isinstance(outcome, Found)
        assert all(s.credential == Anonymous() for s in sent)
        assert not any(shown(s).removeprefix("Bearer ") == "t" for s in sent)
        asked = [s for s in steps if isinstance(s, Authorise) and "org-b" in s.grant.scope]
        assert all(s.credential == Anonymous() for s in asked)


def test_a_credential_of_a_path_is_shown_within_it() -> None:
    """A credential of a path follows a redirect within the path."""
    own = site(credential=ME, part="org-a")

    def server(step: Send) -> Reply:
        if not shown(step):
            return challenge("Basic")
        return good() if "/org-a/new/" in step.url.target else moved("/v2/org-a/new/manifests/1")

    outcome, _, _ = play(resolve(own, RegistryProfile(), "org-a/old", "1", NOW), server)
    assert isinstance(outcome, Found)
