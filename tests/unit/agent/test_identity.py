"""The id that is made up for a host."""

from hypothesis import given
from hypothesis import strategies as st

from imagedrift_agent.core.identity import made_up_id
from imagedrift_schemas.subjects import is_host_id


def test_a_made_up_id_shows_the_hosts_name() -> None:
    """An operator recognises the host by it."""
    assert made_up_id("Web_01.example.org", "3f9a") == "web-01-example-org-3f9a"


@given(st.text(max_size=200))
def test_a_made_up_id_is_always_an_id(hostname: str) -> None:
    """The id of a host of any name may stand in a subject."""
    assert is_host_id(made_up_id(hostname, "0123abcd"))
