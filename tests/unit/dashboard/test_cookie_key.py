"""The key that signs cookies."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from imagedrift_dashboard.core.cookie_key import MOST_CHARACTERS, CookieKey

KEY = CookieKey(b"a" * 32)


class CookieContent(Struct):
    """Something that a cookie holds."""

    text: str


@given(st.text(max_size=100))
def test_what_is_signed_is_read_for_its_use_alone(text: str) -> None:
    """A value comes back for its use and by its key, and otherwise not at all."""
    cookie = KEY.sign("session", CookieContent(text))

    assert KEY.read("session", cookie, CookieContent) == CookieContent(text)
    assert KEY.read("sign-in", cookie, CookieContent) is None
    assert CookieKey(b"b" * 32).read("session", cookie, CookieContent) is None


@given(st.data())
def test_a_changed_cookie_is_not_read(data: st.DataObject) -> None:
    """A cookie with any character changed, or less or more of them, is none."""
    cookie = KEY.sign("session", CookieContent("ada"))
    at = data.draw(st.integers(0, len(cookie) - 1))
    other = data.draw(st.characters().filter(lambda each: each != cookie[at]))

    assert KEY.read("session", cookie[:at] + other + cookie[at + 1 :], CookieContent) is None
    assert KEY.read("session", cookie[:at], CookieContent) is None
    assert KEY.read("session", cookie + other, CookieContent) is None


@given(st.text())
def test_any_text_may_come_as_a_cookie(text: str) -> None:
    """A browser may send any text: it is read or not, and is no defect."""
    assert KEY.read("session", text, CookieContent) is None


def test_a_cookie_has_a_bound() -> None:
    """A cookie that no browser would keep is not looked at."""
    assert (
        KEY.read(
            "session", KEY.sign("session", CookieContent("x" * MOST_CHARACTERS)), CookieContent
        )
        is None
    )


def test_a_cookie_of_another_version_is_none() -> None:
    """A value that was signed with other fields is not read."""

    class Other(Struct):
        number: int

    assert KEY.read("session", KEY.sign("session", Other(1)), CookieContent) is None


def test_secrets_differ_by_use_and_name() -> None:
    """A secret for a use and a name is the same each time, and like no other."""
    made = {KEY.derive(use, name) for use in ("nonce", "verifier") for name in ("a", "b")}

    assert len(made) == 4
    assert {len(each) for each in made} == {43}
    assert KEY.derive("nonce", "a") in made
