"""A credential that is refused rests, wherever it was shown."""

import asyncio

import pytest

from imagedrift_resolver.adapters.refusals import Refusals, Shown
from imagedrift_resolver.core import refusal
from imagedrift_resolver.core.credential import Credential, Password, RegistryToken, Secret
from imagedrift_resolver.core.reply import Reply
from imagedrift_schemas.v1 import Denied, Limited
from support.virtual_time import StillClock

WHERE = (("https", "r.example", 443), "")
ME = Password("me", Secret("hunter2"))


class Registry:
    """Answers with these statuses, the last one for ever, and counts."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.asked = 0

    async def __call__(self) -> Reply:
        """Answer when others had their turn."""
        self.asked += 1
        await asyncio.sleep(0)
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return Reply(status)


async def show(counted: Refusals, registry: Registry, credential: Credential = ME) -> Shown:
    """Show it once."""
    return await counted.show(WHERE, credential, registry)


@pytest.mark.parametrize("credential", [ME, RegistryToken(Secret("x"))])
async def test_a_credential_that_is_refused_rests(credential: Credential) -> None:
    """Forty requests at once send a refused credential three times (docker/hub-feedback#1392)."""
    counted, registry = Refusals(StillClock()), Registry(401)
    got = await asyncio.gather(*(show(counted, registry, credential) for _ in range(40)))
    assert registry.asked == refusal.MOST_REFUSALS
    resting = [each for each in got if isinstance(each, Denied)]
    assert len(resting) == 40 - refusal.MOST_REFUSALS
    assert "not shown again" in resting[0].reason
    assert "hunter2" not in str(resting)


async def test_a_changed_secret_and_another_place_are_tried() -> None:
    """A changed secret, or another host, is tried (sous-chefs/docker#386)."""
    counted, registry = Refusals(StillClock()), Registry(401)
    for _ in range(5):
        await show(counted, registry)
    assert isinstance(await show(counted, registry, Password("me", Secret("new"))), Reply)
    elsewhere = (("https", "other.example", 443), "")
    assert isinstance(await counted.show(elsewhere, ME, registry), Reply)


async def test_a_refusal_here_and_there_is_no_refused_credential() -> None:
    """Single refusals among successes do not pause a credential."""
    counted, registry = Refusals(StillClock()), Registry(*[401, 401, 200] * 10, 200)
    got = [await show(counted, registry) for _ in range(31)]
    assert all(isinstance(each, Reply) for each in got)


async def test_a_403_or_an_error_says_nothing_of_a_credential() -> None:
    """A 403 or an error does not count against a credential."""
    counted, registry = Refusals(StillClock()), Registry(403, 500, 404, 429, 403)
    got = [await show(counted, registry) for _ in range(20)]
    assert all(isinstance(each, Reply) for each in got)


async def test_after_its_rest_it_is_shown_once() -> None:
    """After its pause a credential is sent once."""
    clock = StillClock()
    counted, registry = Refusals(clock), Registry(401)
    for _ in range(3):
        await show(counted, registry)
    clock.at += refusal.REST_S - 1
    assert isinstance(await show(counted, registry), Denied)
    clock.at += 1
    assert isinstance(await show(counted, registry), Reply)
    assert isinstance(await show(counted, registry), Denied)


async def test_who_waits_for_another_request_does_not_wait_for_ever() -> None:
    """A request waits for another one's result for a bounded time."""
    counted, hangs = Refusals(StillClock(), turn_s=0.01), asyncio.Event()

    async def never() -> Reply:
        await hangs.wait()
        return Reply(401)

    first = asyncio.create_task(counted.show(WHERE, ME, never))
    await asyncio.sleep(0)
    assert isinstance(await show(counted, Registry(200)), Limited)
    hangs.set()
    assert isinstance(await first, Reply)


async def test_a_good_credential_does_not_rest_for_what_is_not_for_it() -> None:
    """A good credential is not paused for private repositories (goharbor/harbor#15805)."""
    counted, registry, proofs = Refusals(StillClock()), Registry(401), 0

    async def is_known() -> bool:
        nonlocal proofs
        proofs += 1
        return True

    for _ in range(9):
        got = await counted.show(WHERE, ME, registry, is_known=is_known)
        assert isinstance(got, Reply)
    assert proofs == 3
