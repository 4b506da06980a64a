"""Our readers accept all that the JSON Schemas let through: these are made of their grammars."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from imagedrift_ingest.core.heartbeats import heartbeat_of
from imagedrift_ingest.core.inventories import HostName
from imagedrift_ingest.usecases.store.answers import StoreRegistryStates
from imagedrift_resolver.core.policy import question_fault
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.outcomes import Done
from imagedrift_schemas import codec, constraints, subjects
from imagedrift_schemas.catalogue import ROUTES, name_of
from imagedrift_schemas.digest import parse_digest
from imagedrift_schemas.errors import BadDigest, BadReference, BadToken
from imagedrift_schemas.fields import facts_of, structs_of
from imagedrift_schemas.reference import ImageReference
from imagedrift_schemas.tags.newer import newer_in
from imagedrift_schemas.tags.version import read
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
    Question,
    RegistryState,
    Resolve,
)
from support.ingest import NOW, digest, image, inventory
from support.schemas import DIGESTS, REFERENCES, REGISTRIES, committed, faults, messages
from support.storing import StillStream, store_answers, store_inventories

STRUCTS = sorted({part for route in ROUTES for part in structs_of(route.message)}, key=str)


class Hosts:
    """Takes every inventory, and all of its images."""

    def __init__(self) -> None:
        self.stored: dict[HostName, Any] = {}

    async def changed(self, received: Sequence[Any]) -> set[HostName]:
        """Say that everything changed."""
        return {(one.site, one.host) for one in received}

    async def store(
        self, epoch: int, received: Sequence[Any], images: Mapping[Any, Any], *, surely_newest: bool
    ) -> set[int]:
        """Take it."""
        self.stored |= images
        return set()


class Answers:
    """Takes what registries said."""

    async def store(self, *told: Any, **more: Any) -> set[int]:
        """Take it."""
        return set()

    async def make_due(self, *told: Any) -> None:
        """Take it."""


def delivered(subject: str, message: Any) -> Delivery:
    """Return a JSON value as it is delivered."""
    return Delivery(subject, json.dumps(message).encode(), "S", 1, 1, NOW)


@given(messages(Inventory, with_some="images"))
async def test_an_inventory_that_the_schema_lets_through_is_stored_with_every_image(
    message: dict[str, Any],
) -> None:
    """Ingest neither refuses the host nor leaves out one of its images."""
    hosts = Hosts()
    name = (message["site"], message["host"])

    outcomes = await store_inventories(hosts).handle(
        [delivered(subjects.inventory(*name), message)]
    )

    assert outcomes == [Done()]
    assert hosts.stored[name].left_out == {}
    assert hosts.stored[name].images


@pytest.mark.parametrize(("beyond", "is_let_through"), [(0, True), (1, False)])
async def test_an_image_has_as_many_digests_as_its_schema_lets_through(
    beyond: int, is_let_through: bool
) -> None:
    """Schema and ingest take as many repo digests as the bound says, and both refuse one more."""
    digests = tuple(digest(("many", n)) for n in range(constraints.MOST_DIGESTS + beyond))
    told = codec.encode(inventory("web-1", [image(repo_digests=digests)]))
    hosts = Hosts()

    await store_inventories(hosts).handle(
        [Delivery(subjects.inventory("fra1", "web-1"), told, "S", 1, 1, NOW)]
    )

    assert (faults(told) == []) == is_let_through
    assert (hosts.stored["fra1", "web-1"].left_out == {}) == is_let_through


@given(messages(Alive))
def test_a_heartbeat_that_the_schema_lets_through_counts(message: dict[str, Any]) -> None:
    """Ingest takes it as a sign that its host lives."""
    heartbeat = heartbeat_of(codec.decode(json.dumps(message).encode(), Alive))

    assert heartbeat.interval_s == message.get("interval_s", 300)
    assert heartbeat.content is None or len(heartbeat.content) == 32


@given(st.one_of(messages(Resolve), messages(Describe)))
def test_a_question_that_the_schema_lets_through_is_asked(message: dict[str, Any]) -> None:
    """The resolver finds nothing wrong with what is asked, and its subject can be written."""
    question: Resolve | Describe = codec.decode(json.dumps(message).encode(), Question)

    assert question_fault(question) == ""
    assert subjects.lookup("hub", question)


@given(st.one_of(messages(Answer), messages(Described, with_some="children")))
async def test_an_answer_that_the_schema_lets_through_is_stored(message: dict[str, Any]) -> None:
    """Ingest takes answers and descriptions from the shared cache."""
    outcomes = await store_answers(Answers()).handle([delivered("a.b", message)])

    assert outcomes == [Done()]


@given(messages(List))
def test_a_question_for_tags_that_the_schema_lets_through_has_a_subject(
    message: dict[str, Any],
) -> None:
    """The subject of a question can be written, whatever the repository is called."""
    question = codec.decode(json.dumps(message).encode(), List)

    assert subjects.list_question("hub", question)


@given(messages(Listed, with_some="tracks"))
def test_a_list_that_the_schema_lets_through_is_read(message: dict[str, Any]) -> None:
    """Newer versions are looked for in it, whatever tracks it has."""
    listed = codec.decode(json.dumps(message).encode(), Listed)
    version = read("1.27.3")

    assert version
    assert newer_in(listed, version).behind >= 0


@given(messages(RegistryState))
async def test_a_registry_s_state_that_the_schema_lets_through_is_stored(
    message: dict[str, Any],
) -> None:
    """Ingest takes what registries allow."""
    outcomes = await StoreRegistryStates(Answers(), StillStream()).handle(
        [delivered("a.b", message)]
    )

    assert outcomes == [Done()]


@given(messages(DeadLetter))
def test_a_dead_letter_that_the_schema_lets_through_is_read(message: dict[str, Any]) -> None:
    """A letter is dropped when it cannot be read, so that this is looked at directly."""
    letter = codec.decode(json.dumps(message).encode(), DeadLetter)

    assert len(letter.payload) <= 65536
    assert letter.times >= 1


@given(messages(Changed))
def test_a_change_that_the_schema_lets_through_is_read(message: dict[str, Any]) -> None:
    """A follower in Python reads what one in another language would."""
    assert codec.decode(json.dumps(message).encode(), Changed).image_id == message["image_id"]


# --- the patterns are the grammars --------------------------------------------------------------


@settings(max_examples=300)
@given(REFERENCES)
def test_the_pattern_of_a_reference_is_its_canonical_form(text: str) -> None:
    """The pattern matches what parsing gives back unchanged, and what it makes of other text."""
    pattern = constraints.FIELDS["reference"]["pattern"]
    try:
        canonical = ImageReference.parse(text).canonical
    except BadReference:
        assert not re.search(pattern, text)
        return
    assert re.search(pattern, canonical)
    assert bool(re.search(pattern, text)) == (text == canonical)


@given(REGISTRIES)
def test_the_pattern_of_a_registry_is_its_canonical_form(text: str) -> None:
    """The pattern matches the names under which registries are known, and no other spelling."""
    pattern = constraints.FIELDS["registry"]["pattern"]
    try:
        reference = ImageReference.parse(f"{text}/a/b")
    except BadReference:
        assert not re.search(pattern, text)
        return
    assert bool(re.search(pattern, text)) == ((reference.registry, reference.path) == (text, "a/b"))


@given(st.one_of(DIGESTS, st.text(), DIGESTS.map(str.upper), DIGESTS.map(lambda text: text + "0")))
def test_the_pattern_of_a_digest_is_its_grammar(text: str) -> None:
    """The pattern matches digests, and nothing else."""
    try:
        parse_digest(text)
    except BadDigest:
        assert not re.search(constraints.FIELDS["digest"]["pattern"], text)
    else:
        assert re.search(constraints.FIELDS["digest"]["pattern"], text)


@given(st.one_of(st.text(max_size=70), st.from_regex("[a-z0-9-]{1,70}", fullmatch=True)))
def test_the_pattern_of_a_host_is_what_a_subject_takes(text: str) -> None:
    """A host that the pattern matches has a subject, and no other has one."""
    matches = bool(re.search(constraints.FIELDS["host"]["pattern"], text)) and "\n" not in text
    try:
        subjects.alive("fra1", text)
    except BadToken:
        assert not matches
    else:
        assert matches


# --- the table is whole -------------------------------------------------------------------------


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_every_field_says_what_its_value_may_be(struct: type[Struct]) -> None:
    """A text, a count or a list without a bound would let through what a reader refuses."""
    free = {"time", "time or null", "boolean"}
    for facts in facts_of(struct):
        is_parts = facts.type.startswith("[")
        if facts.type in free or is_parts or facts.name in constraints.FREE:
            continue
        named = {f"{struct.__name__}.{facts.name}", facts.name} | {
            f"{base.__name__}.{facts.name}" for base in struct.__mro__
        }
        assert named & constraints.FIELDS.keys(), f"{struct.__name__}.{facts.name}"


def test_every_entry_of_the_table_belongs_to_a_field() -> None:
    """An entry without its field is left over."""
    fields = {facts.name for struct in STRUCTS for facts in facts_of(struct)}
    whole = {f"{s.__name__}.{facts.name}" for s in STRUCTS for facts in facts_of(s)}

    assert constraints.FIELDS.keys() <= fields | whole
    assert fields >= constraints.FREE


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: name_of(route.message))
def test_a_schema_has_no_keyword_of_openapi(route: Any) -> None:
    """A validator that refuses unknown keywords takes it."""
    assert "discriminator" not in json.dumps(committed(route.message))
