"""Lessons from strangers take a bounded number of bytes, whatever they say."""

from msgspec.structs import replace

from imagedrift_resolver.adapters import refusals, registry_session
from imagedrift_resolver.adapters.refusals import Refusals
from imagedrift_resolver.adapters.registry_session import RegistrySessions
from imagedrift_resolver.core import refusal
from imagedrift_resolver.core.credential import Password, Secret
from imagedrift_resolver.core.refusal import Standing
from imagedrift_resolver.core.registry_profile import MOST_KEPT, RegistryProfile
from imagedrift_resolver.core.site import Bearer
from imagedrift_resolver.core.url import parse_url
from support.conversations import site
from support.virtual_time import StillClock

LONG = "x" * 4000


def taught() -> RegistryProfile:
    """The profile of a registry that redirects everywhere, with a long realm for each place."""
    profile = RegistryProfile()
    for number in range(MOST_KEPT):
        origin = ("https", f"r{number}.example", 443)
        realm = parse_url(f"https://r{number}.example/{LONG}")
        profile = profile.with_auth_method(
            (origin, f"repository/{number}"), Bearer(realm, "s", "c")
        )
    return profile


def test_what_made_up_registries_teach_is_bounded_and_a_real_one_stays_known() -> None:
    """The entries of invented registries are bounded by bytes."""
    sessions, lesson = RegistrySessions(), taught()
    assert lesson.size > MOST_KEPT * len(LONG)
    real = sessions.of(site("real.example"))
    real.learn(lesson, has_answered=True)
    assert sessions.of(site("real.example")) is real
    for number in range(100):
        made_up = site(f"made-up{number}.example")
        sessions.of(made_up).learn(lesson, has_answered=False)
        sessions.of(made_up)
    assert sessions.size <= registry_session.MADE_UP.size + lesson.size + 1000
    assert sessions.of(site("real.example")) is real


def test_a_credential_that_rests_goes_on_resting_however_many_others_there_are() -> None:
    """A paused credential stays paused among many others."""
    kept, me = Refusals(StillClock()), Password("me", Secret("x"))
    origin = ("https", "real.example", 443)
    resting = kept.record((origin, ""), me)
    resting.standing = Standing(refusal.MOST_REFUSALS, rests_until=float("inf"))
    for number in range(refusals.MOST.entries + 10):
        kept.record((origin, f"/{number}"), replace(me, username="other"))
    assert kept.record((origin, ""), me) is resting
    assert len(kept) <= refusals.MOST.entries
    assert kept.size <= refusals.MOST.size
