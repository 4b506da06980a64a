"""What strangers teach the resolver takes a bounded number of bytes, whatever they say."""

from typing import Any

from msgspec.structs import replace

from imagedrift_resolver.adapters import oci, refusals
from imagedrift_resolver.adapters.oci import Registries
from imagedrift_resolver.adapters.refusals import Refusals
from imagedrift_resolver.core import refusal
from imagedrift_resolver.core.credential import Password, Secret
from imagedrift_resolver.core.manners import MOST_KEPT, Manners
from imagedrift_resolver.core.refusal import Standing
from imagedrift_resolver.core.site import Bearer
from imagedrift_resolver.core.url import parse_url
from support.conversations import NOW, site
from support.virtual_time import VirtualClock

LONG = "x" * 4000


def taught() -> Manners:
    """What a registry has taught that redirects everywhere and has a long realm for each place."""
    manners = Manners()
    for number in range(MOST_KEPT):
        origin = ("https", f"r{number}.example", 443)
        realm = parse_url(f"https://r{number}.example/{LONG}")
        manners = manners.with_way((origin, f"repository/{number}"), Bearer(realm, "s", "c"))
    return manners


def registries() -> Registries:
    """Registries that nobody asks anything."""
    unused: Any = None
    return Registries(unused, VirtualClock())


def test_what_made_up_registries_teach_is_bounded_and_a_real_one_stays_known() -> None:
    """By bytes: a few may teach much."""
    known, lesson = registries(), taught()
    assert lesson.size > MOST_KEPT * len(LONG)
    real = known._acquaintance(site("real.example"))
    real.learn(lesson, has_answered=True)
    assert known._acquaintance(site("real.example")) is real
    for number in range(100):
        made_up = site(f"made-up{number}.example")
        known._acquaintance(made_up).learn(lesson, has_answered=False)
        known._acquaintance(made_up)
    assert known._known.size <= oci.MADE_UP.size + lesson.size + 1000
    assert known._acquaintance(site("real.example")) is real


def test_a_credential_that_rests_goes_on_resting_however_many_others_there_are() -> None:
    """Its account would be locked if that were forgotten."""
    kept, me = Refusals(lambda: NOW), Password("me", Secret("x"))
    origin = ("https", "real.example", 443)
    resting = kept._record((origin, ""), me)
    resting.standing = Standing(refusal.MOST_REFUSALS, rests_until=float("inf"))
    for number in range(refusals.MOST.entries + 10):
        kept._record((origin, f"/{number}"), replace(me, username="other"))
    assert kept._record((origin, ""), me) is resting
    assert len(kept._records) <= refusals.MOST.entries
    assert kept._records.size <= refusals.MOST.size
