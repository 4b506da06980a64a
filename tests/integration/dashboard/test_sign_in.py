"""Signing in at a provider, and out again, over HTTP; and providers that lie."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from imagedrift_dashboard.core.sessions import COOKIE, SIGN_IN_COOKIE
from support.polling import until
from support.signing_in import AS_PAGE, SignInSite, sign_in_site

MINUTE = 60


@pytest_asyncio.fixture
async def site(pages_dsn: str) -> AsyncIterator[SignInSite]:
    """The pages of the small fleet, for who signs in."""
    async with sign_in_site(pages_dsn) as made:
        yield made


async def test_signing_in_leads_to_the_page_that_was_asked_for(site: SignInSite) -> None:
    """After signing in a viewer sees the page, filters and all, and who is signed in."""
    assert await site.sign_in(to="/hosts?site=ber1") == "/hosts?site=ber1"

    page = await site.pages.get("/hosts?site=ber1")
    assert page.keys == ["ber1/web-1"]
    assert "Signed in as ada" in page.text


async def test_the_cookie_is_kept_from_scripts_other_sites_and_plain_http(site: SignInSite) -> None:
    """The cookie of a session is small, Secure, HttpOnly and SameSite, and of this host alone."""
    ended = await site.pages.response(await site.callback(), 303)

    [begun] = [c for c in ended.headers.get_list("set-cookie") if c.startswith(f"{COOKIE}=")]
    lower = begun.lower()
    assert all(each in lower for each in ("; secure", "; httponly", "; samesite=lax", "; path=/"))
    assert "domain" not in lower
    assert len(begun) < 400
    assert SIGN_IN_COOKIE not in site.cookies


async def test_nothing_is_shown_without_a_session(site: SignInSite) -> None:
    """Pages lead to the sign-in, what they load is refused, and a forged cookie is none."""
    for cookie in ("", "x", "e30.e30", site.sessions.begin_sign_in("x", "/", site.clock.now())):
        site.pages.client.cookies.set(COOKIE, cookie, domain="pages.example.org")
        response = await site.pages.response("/hosts?site=ber1", 303, AS_PAGE)
        assert response.headers["location"] == "/sign-in?to=%2Fhosts%3Fsite%3Dber1"
        for url in ("/hosts", "/events", "/nowhere", "/hosts?csv=hosts"):
            assert "obody is signed in" in (await site.pages.get(url, 401)).text
    assert (await site.pages.response("/assets/page.css")).status_code == 200


async def test_who_is_in_no_group_has_no_entry(site: SignInSite) -> None:
    """A user whom the provider knows, and no group of the settings, gets no session."""
    for user in ("eve", "nil"):
        page = await site.pages.get(await site.callback(user), 403)
        assert f"{user} is in no group that may read" in page.text
        assert COOKIE not in site.cookies


async def test_each_sign_in_begins_another_session(site: SignInSite) -> None:
    """A new sign-in has a new session, and the one before it has ended."""
    await site.sign_in()
    before = site.cookies[COOKIE]
    callback = await _callback_again(site)
    await site.pages.response(callback, 303)

    assert site.cookies[COOKIE] != before
    assert site.sessions.viewer(before, site.clock.now()) is None
    assert site.sessions.viewer(site.cookies[COOKIE], site.clock.now()) is not None


async def _callback_again(site: SignInSite) -> str:
    """Begin a second sign-in, while the session of the first goes on."""
    session = site.cookies[COOKIE]
    del site.pages.client.cookies[COOKIE]
    callback = await site.callback()
    site.pages.client.cookies.set(COOKIE, session, domain="pages.example.org")
    return callback


async def test_signing_out_ends_every_copy_of_the_session(site: SignInSite) -> None:
    """After signing out neither the browser nor a copy of its cookie reads anything."""
    await site.sign_in()
    copy = site.cookies[COOKIE]
    page = await site.pages.get("/hosts")
    token = next(a["value"] for _, a in page.elements if a.get("name") == "form_token")

    refused = await site.pages.client.post("/sign-out", data={"form_token": "x" * 43})
    assert (refused.status_code, COOKIE in site.cookies) == (403, True)
    assert (await site.pages.client.get("/sign-out")).status_code == 405
    ended = await site.pages.client.post("/sign-out", data={"form_token": token})
    assert (ended.status_code, ended.headers["location"]) == (303, "/signed-out")
    assert COOKIE not in site.cookies
    out = await site.pages.get("/signed-out")
    assert "/sign-in" in out.links
    assert f"{site.provider.url}/sign-out?client_id=imagedrift" in out.links
    await site.pages.get("/hosts", 401, {"cookie": f"{COOKIE}={copy}"})


async def test_a_form_of_another_site_signs_nobody_out(site: SignInSite) -> None:
    """A form of another site is refused before its form is read."""
    await site.sign_in()
    sent = await site.pages.client.post(
        "/sign-out",
        headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
    )
    assert sent.status_code == 403
    assert "nother site" in sent.text


async def test_a_session_ends_by_time(site: SignInSite) -> None:
    """After its hours a session reads nothing more, and leads to the sign-in."""
    await site.sign_in()
    site.clock.ahead = timedelta(hours=7, minutes=59)
    await site.pages.get("/hosts")
    site.clock.ahead = timedelta(hours=8, minutes=1)

    await site.pages.get("/hosts", 401)
    assert (await site.pages.response("/hosts", 303, AS_PAGE)).headers["location"]


async def test_an_open_page_is_told_nothing_after_its_session(site: SignInSite) -> None:
    """The stream of a page ends when its viewer signs out, in whichever tab."""
    await site.sign_in()
    viewer = site.sessions.viewer(site.cookies[COOKIE], site.clock.now())
    assert viewer is not None
    assert viewer.session is not None
    reading = asyncio.ensure_future(site.pages.client.get("/events"))
    await until(lambda: site.feed.has_followers, "the page follows")

    site.sessions.end(viewer.session, site.clock.now())
    site.feed.wake()
    ended = await asyncio.wait_for(reading, 5)
    assert ended.text == "retry: 3000\n\n"


async def test_a_sign_in_counts_once(site: SignInSite) -> None:
    """The same address of the provider signs nobody in twice, in this browser or another."""
    callback = await site.callback()
    kept = site.cookies[SIGN_IN_COOKIE]
    await site.pages.response(callback, 303)
    again = await site.pages.get(callback, 400)
    assert "was not begun here" in again.text

    site.pages.client.cookies.set(SIGN_IN_COOKIE, kept, domain="pages.example.org")
    replayed = await site.pages.get(callback, 502)
    assert "does not take the code" in replayed.text


async def test_a_sign_in_ends_in_the_browser_where_it_began(site: SignInSite) -> None:
    """A link that ends a stranger's sign-in, or one of long ago, signs nobody in."""
    callback = await site.callback()
    site.clock.ahead = timedelta(minutes=11)
    assert "was not begun here" in (await site.pages.get(callback, 400)).text
    site.clock.ahead = timedelta()
    callback = await site.callback()
    other = await site.callback()
    assert other != callback
    assert "was not begun here" in (await site.pages.get(callback, 400)).text
    assert COOKIE not in site.cookies


@pytest.mark.parametrize(
    ("changed", "status", "told"),
    [
        ("&state=x", 400, "not begun here"),
        ("&code=x", 400, "given twice"),
        ("&error=access_denied&error_description=no%20%3Cb%3E", 403, "refused: no <b>"),
    ],
)
async def test_a_changed_answer_of_the_provider_is_refused(
    site: SignInSite, changed: str, status: int, told: str
) -> None:
    """A parameter more, or another, signs nobody in; its text is shown as text."""
    page = await site.pages.get(await site.callback() + changed, status)

    assert told in page.text
    assert COOKIE not in site.cookies


@pytest.mark.parametrize("iss", ["https://other.example.org", ""])
async def test_an_answer_of_another_provider_is_refused(site: SignInSite, iss: str) -> None:
    """A code of another provider is not sent to ours (RFC 9207)."""
    site.provider.answer_code = {"iss": iss}

    assert "nother provider" in (await site.pages.get(await site.callback(), 403)).text


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        ({"iss": "https://other.example.org"}, "of another issuer"),
        ({"aud": "other"}, "for another client"),
        ({"aud": ["imagedrift", "other"]}, "asked for by another client"),
        ({"azp": "other"}, "asked for by another client"),
        ({"nonce": "x" * 43}, "of another sign-in"),
        ({"nonce": None}, "a claim is missing"),
        ({"exp": 1_700_000_000}, "does not hold now"),
        ({"nbf": 4_000_000_000}, "does not hold now"),
        ({"iat": 1_700_000_000}, "not made just now"),
        ({"sub": ""}, "names nobody"),
    ],
)
async def test_a_token_with_a_wrong_claim_signs_nobody_in(
    site: SignInSite, claims: dict[str, Any], told: str
) -> None:
    """A provider that lies in a claim is told so, and there is no session."""
    site.provider.claims = claims
    page = await site.pages.get(await site.callback(), 502)

    assert told in page.text
    assert COOKIE not in site.cookies


@pytest.mark.parametrize("way", ["unsigned", "by_shared_key"])
async def test_a_token_without_a_signature_by_a_key_is_refused(site: SignInSite, way: str) -> None:
    """No algorithm counts whose verifier could have signed: neither `none` nor an HMAC."""
    site.provider.sign = getattr(site.provider, way)

    page = await site.pages.get(await site.callback(), 502)
    assert "algorithm with a public key" in page.text


async def test_a_provider_may_change_its_key(site: SignInSite) -> None:
    """A token by a new key has the keys read anew; one by a key that is gone is refused."""
    await site.sign_in()
    old = site.provider.key
    site.provider.rotate()
    site.clock.seconds_ahead = MINUTE
    await site.pages.response(await _callback_again(site), 303)
    asked = site.provider.keys_asked

    site.provider.sign = lambda claims: site.provider.signed(claims, old)
    for _ in range(3):
        page = await site.pages.get(await _callback_again(site), 502)
        assert "no key of the provider signed it" in page.text
    assert site.provider.keys_asked == asked


async def test_a_clock_that_differs_a_little_is_no_matter(site: SignInSite) -> None:
    """Half a minute between the clocks of provider and pages hinders nobody."""
    for seconds in (-30, 30):
        site.clock.ahead = timedelta(seconds=seconds)
        assert await site.sign_in() == "/hosts"
        del site.pages.client.cookies[COOKIE]


@pytest.mark.parametrize(
    ("configuration", "told"),
    [
        ({"issuer": "https://other.example.org"}, "calls itself https://other.example.org"),
        ({"token_endpoint": "http://192.0.2.1/token"}, "token_endpoint is no https address"),
        ({"code_challenge_methods_supported": ["plain"]}, "no PKCE"),
        ({"jwks_uri": 7}, "configuration"),
        ({"jwks_uri": "x" * 600_000}, "too much"),
    ],
)
async def test_a_provider_that_cannot_be_right_is_not_used(
    site: SignInSite, configuration: dict[str, Any], told: str
) -> None:
    """A configuration that is wrong, unsafe or endless leads nobody anywhere."""
    site.provider.configuration = configuration

    assert told in (await site.pages.get("/sign-in", 502)).text


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\n"]
)
async def test_a_sign_in_leads_to_these_pages_alone(site: SignInSite, to: str) -> None:
    """An address elsewhere, however it is written, is none to come back to."""
    site.pages.client.params = {"to": to}
    begun = await site.pages.response("/sign-in", 303)
    site.pages.client.params = {}

    state = str(begun.headers["location"]).partition("state=")[2].partition("&")[0]
    found = site.sessions.sign_in(site.cookies[SIGN_IN_COOKIE], state, site.clock.now())
    assert found is not None
    assert found.to == "/"
