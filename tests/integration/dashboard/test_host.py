"""The page of one host."""

from support.pages import Browser

NGINX = "docker.io/library/nginx:1.27"


async def test_a_host_shows_its_images_outdated_first(pages: Browser) -> None:
    """A host's page has its facts, its images, and links to why."""
    page = await pages.get("/hosts/fra1/web-1")

    assert page.keys[0].startswith(NGINX)
    assert "fra1/rack-7" in page.text
    assert any(link.startswith("/hosts/fra1/web-1/why?reference=") for link in page.links)
