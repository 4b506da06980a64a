"""The commands that begin with a host, as statements."""

import pytest

from support.statements import statement

D = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["hosts", "--silent"], "(silent)"),
        (["hosts", "--silent", "--degraded"], "(silent OR degraded IS NOT NULL)"),
        (["host", "fra1/web-1"], "site = 'fra1'::text AND host = 'web-1'::text"),
        (["why", "web-1", "nginx"], "reference = 'docker.io/library/nginx:latest'::text"),
    ],
)
def test_what_is_named_is_a_condition(arguments: list[str], told: str) -> None:
    """A host by its name, its id or site/id; an image by its reference in full."""
    assert told in statement(*arguments)


@pytest.mark.parametrize(
    ("name", "is_image"),
    [
        ("web-1", False),
        ("fra1/web-1", False),
        ("nginx:1", True),
        (f"nginx@{D}", True),
        ("ghcr.io/a/b", True),
    ],
)
def test_history_is_of_a_host_or_of_a_tag_by_its_name(name: str, is_image: bool) -> None:
    """A name with a tag, a digest or several slashes is an image's."""
    assert ("ops.tag_history" in statement("history", name)) is is_image


def test_an_image_that_is_called_as_a_host_can_be_meant() -> None:
    """By `--image`."""
    assert "ops.tag_history" in statement("history", "web-1", "--image")
