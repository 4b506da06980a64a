"""The version facts of images, as ingest believes and stores them."""

from datetime import UTC, datetime

from msgspec import UNSET
from msgspec.structs import replace

from imagedrift_ingest.core import descriptions, versions
from imagedrift_schemas.v1 import Child, ImageFacts
from support.ingest import NOW, digest, image

BUILT = datetime(2026, 10, 1, tzinfo=UTC)
AMD = Child(platform="linux/amd64", digest=digest(1), facts=ImageFacts(version="1.27.5"))


def test_most_images_tell_no_version() -> None:
    """Nothing is stored for them."""
    assert versions.of_local(image()) == ()
    assert versions.named(()) == {}


def test_facts_of_labels_have_their_names() -> None:
    """The facts are kept in one order, and those that are empty are not named."""
    labels = versions.of_local(replace(image(), version="1.27", base_name="r.io/base"))

    assert labels == ("1.27", "", "", "r.io/base", "")
    assert versions.named(labels) == {"version": "1.27", "base_name": "r.io/base"}


def test_facts_of_a_configuration_are_bounded() -> None:
    """A resolver of another hand may put anything into the shared cache."""
    told = ImageFacts(version="x" * 300, source="a\x00", base_digest="none", built_at=BUILT)

    assert versions.believed(told, NOW) == ImageFacts(source="a\ufffd", built_at=BUILT)
    assert versions.believed(UNSET, NOW) is UNSET


def test_a_digest_has_the_facts_of_each_platform_once() -> None:
    """Windows images of several builds share a platform: the first one counts."""
    again = Child(platform="linux/amd64", digest=digest(2), facts=ImageFacts(version="0"))
    unread = Child(platform="linux/arm64", digest=digest(3))
    silent = Child(platform="linux/arm", digest=digest(4), facts=ImageFacts())

    rows = versions.by_platform(digest(9), (AMD, again, unread, silent), NOW)

    assert rows == [
        (digest(9), "linux/amd64", "1.27.5", None, None, None, None, None, NOW),
        (digest(9), "linux/arm", None, None, None, None, None, None, NOW),
    ]


def test_facts_and_configurations_live_on_in_a_later_description() -> None:
    """A later one may have read others."""
    plain = Child(platform="linux/amd64", digest=digest(1), config_digest=digest(5))

    [merged] = descriptions.merged([AMD], [plain])

    assert (merged.facts, merged.config_digest) == (AMD.facts, digest(5))
