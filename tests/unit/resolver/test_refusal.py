"""When a credential that was refused is shown again."""

from imagedrift_resolver.core.refusal import (
    MOST_REFUSALS,
    REST_S,
    Standing,
    accepted,
    refused,
    rests,
)

NOW = 1000.0


def refused_times(count: int) -> Standing:
    """A credential that was refused so often in a row."""
    standing = Standing()
    for _ in range(count):
        standing = refused(standing, NOW)
    return standing


def test_a_credential_rests_after_some_refusals_in_a_row() -> None:
    """After fewer refusals a credential is shown again at once."""
    assert not rests(refused_times(MOST_REFUSALS - 1), NOW)
    assert rests(refused_times(MOST_REFUSALS), NOW)


def test_after_its_rest_one_refusal_makes_it_rest_again() -> None:
    """The rest is as long as before, from that refusal on."""
    standing, later = refused_times(MOST_REFUSALS), NOW + REST_S

    assert not rests(standing, later)
    assert rests(refused(standing, later), later + REST_S - 1)


def test_what_is_accepted_begins_anew() -> None:
    """Refusals before count no longer, and the credential is known to be good."""
    standing = accepted(refused_times(MOST_REFUSALS))

    assert standing == Standing(is_accepted=True)
    assert accepted(standing) is standing
    assert not refused(standing, NOW).is_accepted
