"""Laws of every image reference, and of every text that is none."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imagedrift_schemas.errors import BadReference
from imagedrift_schemas.reference import ImageReference

WORD = st.from_regex(r"[a-z0-9]{1,4}", fullmatch=True)
COMPONENT = st.builds("".join, st.tuples(WORD, st.sampled_from([".", "_", "__", "-", "--"]), WORD))
PATH = st.lists(WORD | COMPONENT, min_size=1, max_size=4).map("/".join)
DOMAINS = """
    docker.io/ Docker.io/ index.docker.io/ registry-1.docker.io/ registry.hub.docker.com/
    docker.io:443/ ghcr.io/ localhost/ LOCALHOST/ FOO/ Foo:5000/ [::1]:5/ 127.0.0.1:80/
"""
DOMAIN = st.sampled_from(["", "x" * 250 + ".io/", *DOMAINS.split()])
TAG = st.from_regex(r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", fullmatch=True)
DIGEST = st.from_regex(r"@sha256:[0-9a-f]{64}", fullmatch=True) | st.just("@sha512:" + "0" * 128)
REFERENCE = st.tuples(DOMAIN, PATH, TAG | st.just(""), DIGEST | st.just("")).map("".join)
NOISE = st.text(alphabet=st.sampled_from("aA0z.:/@_-[]<> \n\tsh256ß"), max_size=40)


@given(REFERENCE)
@example("FOO/bar")
@example("registry.hub.docker.com/" + "x" * 247)
def test_the_canonical_form_is_stable(text: str) -> None:
    """Reading the canonical form again changes nothing: no cache key depends on the route."""
    first = ImageReference.parse(text)
    again = ImageReference.parse(first.canonical)

    assert again.canonical == first.canonical
    assert (again.registry, again.repository, again.key) == (
        first.registry,
        first.repository,
        first.key,
    )
    assert again.is_machine_bound == first.is_machine_bound


@given(REFERENCE)
def test_the_familiar_form_means_the_same(text: str) -> None:
    """The text that an operator sees reads back as the same reference."""
    first = ImageReference.parse(text)
    again = ImageReference.parse(first.familiar)

    assert (again.canonical, again.tag, again.digest) == (first.canonical, first.tag, first.digest)


@given(st.text() | NOISE)
def test_arbitrary_text_is_read_or_refused(text: str) -> None:
    """Nothing but BadReference is ever raised, in words that fit on one line."""
    try:
        told = ImageReference.parse(text).canonical
    except BadReference as refusal:
        told = str(refusal)

    assert told.isascii()
    assert told.isprintable()
    assert len(told) < 1024


@given(REFERENCE, st.sampled_from(" \t\n\r\x0b\x0c\x1c\x85\xa0\u2028\u3000\ufeff"), st.data())
def test_white_space_has_no_place_in_a_reference(
    text: str, space: str, data: st.DataObject
) -> None:
    """Neither a trailing newline nor a space anywhere is stripped or accepted."""
    at = data.draw(st.integers(0, len(text)))

    with pytest.raises(BadReference):
        ImageReference.parse(text[:at] + space + text[at:])


@pytest.mark.parametrize("text", ["a-" * 512, "a." * 511 + "/", "[" + ":" * 1000, "a_" * 512])
def test_a_hostile_text_is_refused_at_once(text: str) -> None:
    """No text under the length cap makes the expressions backtrack for long."""
    started = time.process_time()

    with pytest.raises(BadReference):
        ImageReference.parse(text)

    assert time.process_time() - started < 0.5
