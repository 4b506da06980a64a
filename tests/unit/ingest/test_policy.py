"""Whether a registry is asked about a reference, by its form and what the operator names."""

import pytest

from imagedrift_ingest.core.policy import policy_of
from imagedrift_schemas.reference import ImageReference
from support.ingest import digest


@pytest.mark.parametrize(
    ("reference", "policy"),
    [
        ("nginx:1.27", "ask"),
        (f"nginx@{digest(1)}", "pinned"),
        (f"nginx:1.27@{digest(1)}", "ask"),
        ("localhost:5000/app:1", "machine_bound"),
        ("corp:5000/app:1", "ask"),
        ("127.0.0.1:5000/app:1", "machine_bound"),
        (f"localhost:5000/app@{digest(1)}", "pinned"),
    ],
)
def test_a_reference_gets_the_policy_of_the_table(reference: str, policy: str) -> None:
    """A reference gets the policy of its registry's table."""
    assert policy_of(ImageReference.parse(reference), lambda name: name == "corp:5000") == policy
