"""The files that every page loads."""

from support.pages import Browser


async def test_an_asset_is_sent_again_only_when_it_changed(pages: Browser) -> None:
    """A browser that has the style sheet is told that this is so, and gets no byte of it."""
    first = await pages.response("/assets/page.css")
    tag = first.headers["etag"]

    again = await pages.response("/assets/page.css", 304, {"if-none-match": f'"x", W/{tag}'})
    other = await pages.response("/assets/page.css", 200, {"if-none-match": '"x"'})

    assert (again.content, other.content) == (b"", first.content)
    assert again.headers["content-security-policy"]
