"""The content of a digest, described in parts."""

from msgspec.structs import replace

from imagedrift_ingest.core.descriptions import merged
from imagedrift_schemas.v1 import Child, ImageFacts

AMD, ARM, CONFIG = (f"sha256:{digit * 64}" for digit in "123")
READ = Child(
    platform="linux/amd64", digest=AMD, config_digest=CONFIG, facts=ImageFacts(version="1")
)
UNREAD = Child(platform="linux/amd64", digest=AMD)
OTHER = Child(platform="linux/arm64", digest=ARM)


def test_what_was_read_once_lives_on_in_a_later_description() -> None:
    """A later description that lacks a configuration does not take it away."""
    assert merged([READ], [OTHER, UNREAD]) == (OTHER, READ)


def test_what_was_read_now_goes_before_what_was_read_earlier() -> None:
    """Facts that say nothing were read, too."""
    now = replace(READ, facts=ImageFacts())

    assert merged([READ], [now]) == (now,)


def test_a_description_without_children_leaves_those_that_are_known() -> None:
    """A failed description says nothing of them."""
    assert merged([READ, OTHER], []) == (READ, OTHER)
    assert merged([], []) == ()
