"""A usual refusal of NATS comes with what an operator does about it."""

from imagedrift_runtime.nats.remedies import with_remedy


def test_a_usual_refusal_keeps_its_words_and_gets_a_remedy() -> None:
    """The server's own words stand first, whatever their case."""
    told = with_remedy("no answer in time (nats: 'Authorization Violation')")

    assert told.startswith("no answer in time (nats: 'Authorization Violation'): the server does")


def test_any_other_refusal_stays_as_it_is() -> None:
    """A refusal of another kind gets no advice that would lead astray."""
    assert with_remedy("stream not found") == "stream not found"
