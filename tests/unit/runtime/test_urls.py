"""URLs with a password: shown without it, and refused where its border is in doubt."""

from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imagedrift_ingest.settings import IngestSettings
from imagedrift_runtime import settings, urls
from imagedrift_runtime.common_settings import CommonSettings
from imagedrift_runtime.nats.connect_options import ConnectOptions

MARK = "hunter"
ODD = st.text(st.sampled_from("@/:?#[]%&=,;+~!$'()* \t\n\\\"é1-.") | st.characters(codec="utf-8"))
PASSWORDS = st.builds(lambda a, b, c: f"{a}{MARK}{b}{MARK}2{c}", ODD, ODD, ODD)
FORMS = st.sampled_from(
    (
        "postgresql://me:{}@db:5432/fleet",
        "postgresql://me:{}@db",
        "postgresql://me:{}@/fleet?host=/run/postgresql",
        "postgresql://db/fleet?user=me&password={}",
        "postgresql://db/fleet?password={}&sslmode=require",
        "nats://me:{}@bus:4222",
        "tls://{}@bus",
        "nats://a:4222,nats://me:{}@bus",
    )
)


def told_of_database(url: str) -> str:
    """The fault of a URL of ingest's database."""
    try:
        return urls.shown(settings.load(IngestSettings, {"DATABASE_URL": url}).database_url)
    except settings.SettingsFault as fault:
        return str(fault)


def told_of_nats(url: str) -> str:
    """The fault of a URL of NATS."""
    try:
        return str(
            ConnectOptions(urls=settings.load(CommonSettings, {"NATS_URL": url}).nats_url, name="t")
        )
    except settings.SettingsFault as fault:
        return str(fault)


@given(FORMS, PASSWORDS)
@example("postgresql://me:{}@db:5432/fleet", f"1?{MARK}@{MARK}2")
@example("postgresql://db/fleet?password={}", f"{MARK}@{MARK}2")
@example("nats://me:{}@bus:4222", f"1,{MARK}{MARK}2")
@example("postgresql://me:{}@db", f"1?sslmode={MARK}&{MARK}2")
def test_no_part_of_a_password_is_shown(form: str, password: str) -> None:
    """The password may be any text in any place of the URL."""
    assert MARK not in urls.shown(form.format(password))
    assert MARK not in urls.shown(form.format(quote(password, safe="")))


@given(FORMS, PASSWORDS)
def test_no_setting_repeats_a_part_of_a_password(form: str, password: str) -> None:
    """A URL that is refused is told of without it, one that is taken is shown without it."""
    text = form.format(password).replace("\0", "")

    assert MARK not in told_of_database(text)
    assert MARK not in told_of_nats(text)


@given(PASSWORDS)
def test_a_password_that_is_percent_encoded_is_taken(password: str) -> None:
    """The fault's advice is a way out."""
    assert urls.database_fault(f"postgresql://me:{quote(password, safe='')}@db:5432/fleet") == ""
    assert urls.nats_fault(f"nats://me:{quote(password, safe='')}@bus:4222") == ""


@pytest.mark.parametrize(
    "password", ["p@ss", "p/ss", "p?ss", "p#ss", "p[ss", "1/2", "1?x@y", "1?a=b@c", "p\nss"]
)
def test_a_database_url_whose_border_is_in_doubt_is_refused(password: str) -> None:
    """The driver would take a part of the password for the host, a port or an option."""
    assert urls.ENCODE in urls.database_fault(f"postgresql://me:{password}@db:5432/fleet")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://",
        "postgres://db",
        "postgresql:///fleet?host=/run/postgresql",
        "postgresql://me:p:w@db-1:5432,db-2:5433/fleet?target_session_attrs=read-write",
        "postgresql://me@[2001:db8::1]:5432/fleet",
        "postgresql://%2Frun%2Fpostgresql/fleet",
        "postgresql://db/fleet?user=me&password=p@ss",
    ],
)
def test_every_form_that_the_driver_reads_is_taken(url: str) -> None:
    """Several hosts, a socket's folder, an IPv6 address, and options."""
    assert urls.database_fault(url) == ""


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("postgresql://me:secret@db:5432/x", "postgresql://***@db:5432/x"),
        ("postgresql://a:1,b:2/x?sslmode=require", "postgresql://a:1,b:2/x?sslmode=require"),
        ("postgresql://db/x?user=me&password=secret", "postgresql://db/x?user=me&***"),
        ("nats://me:pa@ss@[::1]:4222", "nats://***@[::1]:4222"),
        ("nats://me:pass", "nats://***"),
        ("me:pass", "***"),
    ],
)
def test_what_helps_is_shown(url: str, seen: str) -> None:
    """The hosts, the database and harmless options stay readable."""
    assert urls.shown(url) == seen
