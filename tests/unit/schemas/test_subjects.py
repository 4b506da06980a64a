"""Names on NATS: any text becomes one token and comes back, and every name is where it belongs."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_schemas import codec, subjects
from imagedrift_schemas.catalogue import ROUTES
from imagedrift_schemas.errors import BadToken
from imagedrift_schemas.v1 import (
    Alive,
    Answer,
    Changed,
    DeadLetter,
    Describe,
    Described,
    Inventory,
    List,
    Listed,
    Missing,
    RegistryState,
    Resolve,
)
from support.samples import SAMPLES, Sample

NOW = datetime(2026, 11, 23, 16, 20, tzinfo=UTC)
# Legal in a NATS subject token and in a key of a bucket at once.
TOKEN = re.compile(r"[A-Za-z0-9_/=-]+")
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(ANY_TEXT)
def test_any_text_becomes_one_token_and_comes_back(text: str) -> None:
    """Neither dots nor wildcards, spaces or foreign letters break out of their token."""
    token = subjects.escape(text)

    assert TOKEN.fullmatch(token)
    assert subjects.unescape(token) == text


@given(ANY_TEXT, ANY_TEXT)
def test_different_texts_have_different_tokens(one: str, other: str) -> None:
    """Two references never share a question."""
    assert (subjects.escape(one) == subjects.escape(other)) is (one == other)


@given(st.text() | st.from_regex(r"(?:[a-z=.]|=[0-9A-Fa-f]{2}){0,8}", fullmatch=True))
def test_a_token_that_was_not_written_by_us_is_refused(token: str) -> None:
    """Reading back is exact: what it accepts, escaping writes in just this way."""
    try:
        text = subjects.unescape(token)
    except BadToken:
        return
    assert subjects.escape(text) == token


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("library/nginx:1.27", "library/nginx=3A1=2E27"),
        ("docker.io", "docker=2Eio"),
        ("10.0.0.5:5000", "10=2E0=2E0=2E5=3A5000"),
        ("a=b", "a=3Db"),
        ("*", "=2A"),
        (">", "=3E"),
        (" ", "=20"),
        ("é", "=C3=A9"),
    ],
)
def test_tokens_are_written_as_documented(text: str, token: str) -> None:
    """Other programs build the same subjects from the same rule."""
    assert subjects.escape(text) == token


@pytest.mark.parametrize(
    "token",
    ["", ".", "a.b", "=", "=2", "=2e", "=GG", "=41", "=2D", "a b", "*", ">", "=C3", "é", "a\n"],
)
def test_near_misses_of_a_token_are_refused(token: str) -> None:
    """Lower-case hex, needless escapes, half a character: one text has one token."""
    with pytest.raises(BadToken):
        subjects.unescape(token)


@pytest.mark.parametrize("text", ["", "\ud800"])
def test_a_text_without_a_token_is_refused(text: str) -> None:
    """The empty text and half a surrogate pair cannot be written."""
    with pytest.raises(BadToken):
        subjects.escape(text)


@pytest.mark.parametrize("host", ["web-0001", "a", "0", "-", "a" * 63])
def test_ids_of_hosts_go_into_subjects_as_they_are(host: str) -> None:
    """Ids need no escaping, so an operator can type them."""
    assert subjects.inventory("fra1", host) == f"drift.v1.inventory.fra1.{host}"
    assert subjects.host_of(subjects.alive("fra1", host)) == ("fra1", host)


@pytest.mark.parametrize("host", ["", "a" * 64, "Web", "a.b", "a_b", "*", ">", "a b", "a\n", "é"])
def test_what_is_no_id_of_a_host_never_reaches_a_subject(host: str) -> None:
    """A host cannot speak for another by a wildcard or a dot in its name."""
    assert not subjects.is_host_id(host)
    with pytest.raises(BadToken, match="host"):
        subjects.inventory("fra1", host)
    with pytest.raises(BadToken, match="site"):
        subjects.alive(host, "web-0001")


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "drift.v1.inventory.fra1",
        "drift.v1.inventory.fra1.web.more",
        "drift.v1.inventory.*.*",
        "drift.v1.inventory.FRA1.web",
        "drift.v1.inventory.fra1.web\n",
        "drift.v1.lookup.hub.web",
        "other.v1.inventory.fra1.web",
        "drift.v2.alive.fra1.web",
    ],
)
def test_a_subject_of_no_host_is_refused(subject: str) -> None:
    """The sender is read only from the two subjects of hosts."""
    with pytest.raises(BadToken):
        subjects.host_of(subject)


def test_a_question_and_its_answer_have_the_same_key() -> None:
    """The resolver finds the answer by the question; a tag and a digest never share a key."""
    hub, nginx = "docker.io", "library/nginx"
    resolve = Resolve(registry=hub, repository=nginx, tag="1.27", asked_at=NOW, fresh_since=NOW)
    answer = Answer(registry=hub, repository=nginx, tag="1.27", checked_at=NOW, outcome=Missing())
    describe = Describe(registry=hub, repository=nginx, digest="sha256:ab", asked_at=NOW)
    described = Described(registry=hub, repository=nginx, digest="sha256:ab", checked_at=NOW)

    assert subjects.answer_key(resolve) == "docker=2Eio.library/nginx=3A1=2E27"
    assert subjects.answer_key(answer) == subjects.answer_key(resolve)
    assert subjects.answer_key(describe) == "docker=2Eio.library/nginx=40sha256=3Aab"
    assert subjects.answer_key(described) == subjects.answer_key(describe)


def test_a_question_for_tags_and_its_answer_have_the_same_key() -> None:
    """All hosts' tags of one repository share a question, in every lane a subject of its own."""
    hub, nginx = "docker.io", "library/nginx"
    question = List(registry=hub, repository=nginx, asked_at=NOW, fresh_since=NOW, tags=("1.27",))
    listed = Listed(registry=hub, repository=nginx, checked_at=NOW)

    assert subjects.list_key(question) == "docker=2Eio.library/nginx"
    assert subjects.list_key(listed) == subjects.answer_key(question)
    assert subjects.list_question("hub", question) == "drift.v1.list.hub.docker=2Eio.library/nginx"


def address_of(message: object) -> str:
    """Return the subject or key under which a message travels."""
    match message:
        case Inventory(site=site, host=host):
            return subjects.inventory(site, host)
        case Alive(site=site, host=host):
            return subjects.alive(site, host)
        case Resolve() | Describe():
            return subjects.lookup("hub", message)
        case List():
            return subjects.list_question("hub", message)
        case Answer() | Described() | Listed():
            return subjects.answer_key(message)
        case RegistryState(registry=registry, credential=credential):
            return subjects.registry_key(registry, credential)
        case Changed(registry=registry, repository=repository, tag=tag):
            return subjects.changed(registry, repository, tag)
        case DeadLetter(service=service):
            return subjects.dead(service)
        case _:
            raise AssertionError(f"{message} has no address")


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_every_message_travels_where_the_catalogue_says(sample: Sample) -> None:
    """The documented address has the same words, and one token for each of its `<…>`."""
    (route,) = [route for route in ROUTES if route.message is sample.message]

    address = address_of(codec.decode(sample.payload, sample.message))

    documented = re.split(r"<[a-z]+>", route.address)
    pattern = TOKEN.pattern.join(re.escape(words) for words in documented)
    assert re.fullmatch(pattern, address)


@pytest.mark.parametrize(
    ("kind", "wildcard"),
    [
        ("inventory", subjects.INVENTORY_ALL),
        ("alive", subjects.ALIVE_ALL),
        ("resolve", subjects.LOOKUP_ALL),
        ("describe", subjects.lookup_lane("hub")),
        ("list", subjects.LIST_ALL),
        ("list", subjects.list_lane("hub")),
        ("changed", subjects.CHANGED_ALL),
        ("dead", subjects.DEAD_ALL),
    ],
)
def test_whoever_subscribes_by_wildcard_hears_the_message(kind: str, wildcard: str) -> None:
    """A wildcard has a star for each token of the subjects that it is for."""
    sample = next(sample for sample in SAMPLES if sample.name == f"{kind}.full")
    address = address_of(codec.decode(sample.payload, sample.message)).split(".")

    assert len(address) == len(wildcard.split("."))
    for token, pattern in zip(address, wildcard.split("."), strict=True):
        assert pattern in {"*", token}


@pytest.mark.parametrize("lane", [*subjects.LANES, "10.0.0.5:5000", "a/b", "é"])
def test_the_consumer_of_a_lane_has_a_name_that_nats_allows(lane: str) -> None:
    """No dots, slashes, wildcards or spaces: a lane may be named after any registry."""
    assert re.fullmatch(r"[A-Za-z0-9_-]+", subjects.lane_consumer(lane))
    assert re.fullmatch(r"[A-Za-z0-9_-]+", subjects.list_consumer(lane))
