"""Sessions: begun, read, and ended."""

from datetime import UTC, datetime, timedelta

import pytest

from imagedrift_dashboard.core.cookie_key import CookieKey
from imagedrift_dashboard.core.sessions import Sessions, own_address

NOW = datetime(2026, 11, 26, 20, tzinfo=UTC)
KEY = CookieKey(b"a" * 32)
ROLES = {"sre": "all", "dev": "some"}


def make_sessions(roles: dict[str, str] = ROLES) -> Sessions:
    """Sessions of eight hours."""
    return Sessions(KEY, timedelta(hours=8), roles)


def test_a_session_names_its_viewer_until_its_time() -> None:
    """A cookie names the viewer and the role for its hours, to every process with the key."""
    cookie = make_sessions().begin("1", "ada", "all", NOW)
    viewer = make_sessions().viewer(cookie, NOW + timedelta(hours=7))

    assert viewer is not None
    assert (viewer.name, viewer.role) == ("ada", "all")
    assert make_sessions().viewer(cookie, NOW + timedelta(hours=8)) is None


def test_a_session_ends_when_it_is_ended() -> None:
    """An ended session is over, and another of the same viewer goes on."""
    sessions = make_sessions()
    cookies = [sessions.begin(each, "ada", "all", NOW) for each in ("1", "2")]
    first = sessions.viewer(cookies[0], NOW)
    assert first is not None
    assert first.session is not None
    sessions.end(first.session, NOW)

    assert [sessions.viewer(each, NOW) is None for each in cookies] == [True, False]


def test_a_session_whose_role_no_group_has_any_more_is_over() -> None:
    """A role that was taken out of the settings reads nothing more."""
    cookie = make_sessions().begin("1", "ada", "all", NOW)

    assert make_sessions({"dev": "some"}).viewer(cookie, NOW) is None


def test_ended_sessions_are_remembered_within_a_bound() -> None:
    """Sessions whose time is over are forgotten first, then those that ended first."""
    sessions = Sessions(KEY, timedelta(hours=8), ROLES, most_ended=2)

    def end(name: str, at: datetime) -> str:
        cookie = sessions.begin(name, "ada", "all", at)
        viewer = sessions.viewer(cookie, at)
        assert viewer is not None
        assert viewer.session is not None
        sessions.end(viewer.session, at)
        return cookie

    later = NOW + timedelta(hours=9)
    end("old", NOW)
    kept = [end(each, later) for each in ("1", "2")]
    assert [sessions.viewer(each, later) for each in kept] == [None, None]
    end("3", later)
    assert sessions.viewer(kept[0], later) is not None
    assert sessions.viewer(kept[1], later) is None


def test_the_first_group_of_the_settings_gives_the_role() -> None:
    """With several groups the first of the settings counts, and with none there is no role."""
    assert make_sessions().role_of(frozenset(("dev", "sre"))) == "all"
    assert make_sessions().role_of(frozenset(("SRE", "devs"))) == ""


def test_a_sign_in_is_found_by_its_state_within_its_time() -> None:
    """A sign-in is that of its cookie and its state, for ten minutes."""
    cookie = make_sessions().begin_sign_in("1", "/hosts", NOW)
    found = make_sessions().sign_in(cookie, "1", NOW + timedelta(minutes=9))

    assert found is not None
    assert found.to == "/hosts"
    assert make_sessions().sign_in(cookie, "2", NOW) is None
    assert make_sessions().sign_in(cookie, "1", NOW + timedelta(minutes=10)) is None
    assert make_sessions().sign_in(make_sessions().begin("1", "ada", "all", NOW), "1", NOW) is None


def test_nonce_and_verifier_are_secrets_of_one_sign_in() -> None:
    """Two sign-ins have other nonces and verifiers, none of which is in the cookie."""
    sessions = make_sessions()
    known = [f(each) for f in (sessions.nonce, sessions.verifier) for each in ("1", "2")]

    assert len(set(known)) == 4
    assert not any(each in sessions.begin_sign_in("1", "/", NOW) for each in known)


@pytest.mark.parametrize("to", ["/", "/hosts?site=a%20b&after=x", "/hosts/fra1/web-1/why?a=b"])
def test_an_address_of_the_pages_is_one(to: str) -> None:
    """A sign-in comes back to the page that was asked for."""
    assert own_address(to) == to


@pytest.mark.parametrize(
    "to",
    [
        "",
        "x",
        "//e.example",
        "/\\e.example",
        "https://e.example",
        "/a\r\nb",
        "/é",
        "/" + "x" * 1500,
        "/sign-in",
        "/sign-out",
        "/signed-out",
    ],
)
def test_any_other_address_is_the_first_page(to: str) -> None:
    """An address of elsewhere, or one that no browser writes, leads to the fleet."""
    assert own_address(to) == "/"
