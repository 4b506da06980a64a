"""The addresses of the web pages."""

import pytest
from click.testing import CliRunner

from imagedrift_cli.__main__ import main
from imagedrift_cli.open_page import FORM, host_path, image_path, url_fault, why_path
from imagedrift_dashboard.pages import links

REFERENCE = "ghcr.io/a/b:1.0+x"


def test_a_link_is_the_pages_own() -> None:
    """A link is written as the pages write it."""
    assert f'"{host_path("fra1", "web-1")}"' in str(links.host("fra1", "web-1"))
    assert image_path(REFERENCE) in str(links.image(REFERENCE))
    assert why_path("fra1", "web-1", REFERENCE) in str(links.why("fra1", "web-1", REFERENCE, "x"))


@pytest.mark.parametrize(
    "url", ["https://drift.example.org", "http://127.0.0.1:8088/", "https://x.org/drift"]
)
def test_an_address_of_pages_is_taken(url: str) -> None:
    """With a path, too, where a proxy has one."""
    assert url_fault(url) == ""


@pytest.mark.parametrize(
    "url",
    ["drift.example.org", "ftp://x.org", "https://", "https://u:p@x.org", "https://x.org/?a=1",
     "https://x.org/#a", "https://x.org:x", "https://x.org/a b", "https://x.org/\n"],
)  # fmt: skip
def test_what_is_no_address_is_refused(url: str) -> None:
    """No login is repeated in what is printed."""
    assert url_fault(url) == FORM


@pytest.mark.parametrize("more", [["web-1"], ["--site", "fra1"]])
def test_an_image_is_of_no_host(more: list[str]) -> None:
    """A host's option is refused for it."""
    result = CliRunner().invoke(main, ["open", "nginx:1", *more])

    assert result.exit_code == 64
    assert "of an image alone" in result.stderr
