"""When a credential that is refused is shown again.

Accounts are locked and addresses banned for showing a wrong one (Docker Hub, GitLab, Harbor), and
it is the same wherever it is shown in vain: in a header to a registry, or to a token endpoint.

    new ── MOST_REFUSALS in a row ──▶ rests ── REST_S ──▶ shown once ──refused──▶ rests
     └─────────────── accepted ───────────────────────────────┴──▶ accepted

Before it rests in a registry, the API root is asked once whether it is good: repositories that
are not for it say 401 as well.

One that was not accepted yet, or refused last, is shown by one request at a time: else as many
refusals as there are requests under way would come before the first of them counts.
"""

from typing import Final

from msgspec import Struct

MOST_REFUSALS: Final = 3
REST_S: Final = 300.0


class Standing(Struct, frozen=True):
    """How a credential has fared at one registry or token endpoint."""

    refusals: int = 0
    """In a row."""
    rests_until: float = 0.0
    is_accepted: bool = False


def rests(standing: Standing, now: float) -> bool:
    """Tell whether the credential is not shown now."""
    return standing.refusals >= MOST_REFUSALS and now < standing.rests_until


def refused(standing: Standing, now: float) -> Standing:
    """Return the standing after a refusal."""
    return Standing(standing.refusals + 1, now + REST_S)


def accepted(standing: Standing) -> Standing:
    """Return the standing after the credential has opened something."""
    return standing if standing.is_accepted else Standing(is_accepted=True)
