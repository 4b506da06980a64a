"""Deciding on the pages: for deciders alone, by a form of theirs, and checked by the database."""

import asyncpg
import pytest

from imagedrift_dashboard.core.access import AccessRules, networks
from support.pages import IMAGE, NGINX, OPERATOR, Browser, ReadPage, browser

DECIDER = "imagedrift_decider"
RULES = AccessRules(
    proxies=networks(["10.0.0.0/8"]),
    roles={"lead": DECIDER, "sre": OPERATOR},
    deciders=(DECIDER,),
)
ADA = {"x-forwarded-user": "ada", "x-forwarded-groups": "lead"}
EVE = {"x-forwarded-user": "eve", "x-forwarded-groups": "sre"}
SNOOZE = {"reference": NGINX, "kind": "snooze", "span": "14d", "reason": "a freeze"}


def token(page: ReadPage) -> str:
    """The token of a page's forms; empty where it has none."""
    found = [a["value"] for _, a in page.elements if a.get("name") == "form_token"]
    return found[0] if found else ""


async def send(
    pages: Browser, url: str, fields: dict[str, str], headers: dict[str, str] = ADA
) -> tuple[int, str]:
    """Send a form; the status, and the text or where it leads."""
    sent = await pages.client.post(url, data=fields, headers=headers)
    return sent.status_code, sent.headers.get("location") or ReadPage(sent.text).text


async def decided(dsn: str) -> list[asyncpg.Record]:
    """Every decision that there is, the newest first."""
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetch(
            "SELECT decision_id, kind, pattern, reason, undone_because FROM ops.decisions"
            " ORDER BY decision_id DESC"
        )
    finally:
        await connection.close()


async def test_a_decider_decides_and_takes_it_back(own_dsn: str) -> None:
    """A decision of the form is in the list, in the viewer's name, until it is taken back."""
    before = len(await decided(own_dsn))
    async with browser(own_dsn, RULES, peer="10.1.2.3") as pages:
        own = token(await pages.get(IMAGE, headers=ADA))
        status, leads = await send(pages, "/decide", SNOOZE | {"form_token": own})
        assert status == 303
        assert "ada: a freeze" in (await pages.get(leads, headers=ADA)).text
        made = (await decided(own_dsn))[0]
        assert (made["kind"], made["pattern"], made["reason"]) == ("snooze", NGINX, "ada: a freeze")

        undo = {"decision_id": str(made["decision_id"]), "form_token": own}
        assert await send(pages, "/undo", undo) == (303, "/decisions")
    undone = (await decided(own_dsn))[0]
    assert undone["undone_because"] == "ada"
    assert len(await decided(own_dsn)) == before + 1


async def test_who_may_not_decide_sees_no_form_and_sends_none(own_dsn: str) -> None:
    """A reader has no form; and what a reader sends, with whatever token, is refused."""
    before = len(await decided(own_dsn))
    async with browser(own_dsn, RULES, peer="10.1.2.3") as pages:
        assert token(await pages.get(IMAGE, headers=EVE)) == ""
        own = token(await pages.get(IMAGE, headers=ADA))
        for url in ("/decide", "/undo"):
            status, told = await send(pages, url, SNOOZE | {"form_token": own}, EVE)
            assert (status, "decides nothing here" in told) == (403, True)
    assert len(await decided(own_dsn)) == before


async def test_without_the_setting_nobody_decides(own_dsn: str) -> None:
    """The pages write nothing unless they are told to, whatever the role could."""
    rules = AccessRules(role=DECIDER)
    async with browser(own_dsn, rules) as pages:
        assert token(await pages.get(IMAGE)) == ""
        status, _ = await send(pages, "/decide", SNOOZE, {})
    assert status == 403


@pytest.mark.parametrize(
    ("changes", "status", "told"),
    [
        ({"form_token": "x"}, 403, "another session"),
        ({"span": ""}, 400, "needs an end"),
        ({"kind": "ignore", "reason": ""}, 400, "needs a reason"),
        ({"until": "some day"}, 400, "some day"),
        ({"span": "14 moons"}, 400, "14 moons"),
        ({"kind": "delete"}, 400, "kind is missing"),
        ({"reason": "x" * 1001}, 400, "at most 1000 bytes"),
        ({"value": "\0"}, 400, ""),
    ],
)
async def test_a_decision_that_is_none_is_told_and_not_stored(
    own_dsn: str, changes: dict[str, str], status: int, told: str
) -> None:
    """A refusal of the form or the database is told in its words."""
    before = len(await decided(own_dsn))
    async with browser(own_dsn, RULES, peer="10.1.2.3") as pages:
        own = token(await pages.get(IMAGE, headers=ADA))
        fields = SNOOZE | {"form_token": own} | changes
        answered, text = await send(pages, "/decide", fields)
    assert (answered, told in text) == (status, True), text
    assert len(await decided(own_dsn)) == before


async def test_the_database_has_the_last_word(own_dsn: str) -> None:
    """A role that the settings call a decider, and the database does not, decides nothing."""
    rules = AccessRules(role=OPERATOR, deciders=(OPERATOR,))
    async with browser(own_dsn, rules) as pages:
        own = token(await pages.get(IMAGE))
        status, told = await send(pages, "/decide", SNOOZE | {"form_token": own}, {})
    assert status == 403
    assert "permission denied" in told


@pytest.mark.parametrize("origin", ["cross-site", "same-site"])
async def test_a_form_of_another_site_decides_nothing(own_dsn: str, origin: str) -> None:
    """With the right token and from the right browser: another site sends no form."""
    async with browser(own_dsn, RULES, peer="10.1.2.3") as pages:
        own = token(await pages.get(IMAGE, headers=ADA))
        elsewhere = ADA | {"sec-fetch-site": origin, "sec-fetch-mode": "navigate"}
        status, told = await send(pages, "/decide", SNOOZE | {"form_token": own}, elsewhere)
    assert status == 403
    assert "nother site" in told
