"""Access to the pages, by connection and headers."""

import pytest

from imagedrift_dashboard.core.access import AccessRules, Viewer, is_loopback, networks
from imagedrift_dashboard.core.page_fault import PageFault

PROXIED = AccessRules(
    proxies=networks(["127.0.0.1", "fd00::/8"]), roles={"sre": "all", "dev": "some"}
)


@pytest.mark.parametrize(
    "host", ["localhost:8088", "127.0.0.1", "127.0.0.2:8088", "[::1]:8088", "LOCALHOST"]
)
def test_without_a_proxy_a_name_of_this_machine_is_answered(host: str) -> None:
    """A request by a name of this machine reads as the role of everybody."""
    assert AccessRules(role="reader").viewer("192.0.2.1", {"host": host}) == Viewer("", "reader")


@pytest.mark.parametrize("host", ["", "evil.example", "127.0.0.1.evil.example", "[", "localhost@x"])
def test_another_name_is_refused(host: str) -> None:
    """A request by another name, or by none, is refused."""
    with pytest.raises(PageFault) as refused:
        AccessRules().viewer("127.0.0.1", {"host": host})
    assert refused.value.status == 421


@pytest.mark.parametrize("peer", ["127.0.0.1", "::ffff:127.0.0.1", "fd12::1"])
@pytest.mark.parametrize(
    ("groups", "role"), [("sre", "all"), ("dev", "some"), ("x, dev ,sre", "all")]
)
def test_a_proxy_names_the_user_and_the_groups(peer: str, groups: str, role: str) -> None:
    """The first group of the setting that the user has gives the role."""
    headers = {"x-forwarded-user": "ada", "x-forwarded-groups": groups}

    assert PROXIED.viewer(peer, headers) == Viewer("ada", role)


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("127.0.0.2", {"x-forwarded-user": "ada", "x-forwarded-groups": "sre"}, 403),
        ("", {"x-forwarded-user": "ada", "x-forwarded-groups": "sre"}, 403),
        ("127.0.0.1", {"x-forwarded-groups": "sre"}, 401),
        ("127.0.0.1", {"x-forwarded-user": " ", "x-forwarded-groups": "sre"}, 401),
        ("127.0.0.1", {"x-forwarded-user": "mallory, ada", "x-forwarded-groups": "sre"}, 400),
        ("127.0.0.1", {"x-forwarded-user": "ada"}, 403),
        ("127.0.0.1", {"x-forwarded-user": "ada", "x-forwarded-groups": "sres"}, 403),
    ],
)
def test_whom_no_proxy_lets_in_is_refused(peer: str, headers: dict[str, str], status: int) -> None:
    """Another connection, no user, or no group: no entry."""
    with pytest.raises(PageFault) as refused:
        PROXIED.viewer(peer, headers)
    assert refused.value.status == status


@pytest.mark.parametrize(
    "claimed",
    [
        {"x-forwarded-for": "127.0.0.1"},
        {"forwarded": "for=127.0.0.1"},
        {"x-real-ip": "127.0.0.1"},
        {"x-forwarded-for": "127.0.0.1", "x-forwarded-host": "localhost", "host": "localhost"},
    ],
)
def test_an_address_in_a_header_is_no_address(claimed: dict[str, str]) -> None:
    """The address of the connection counts, whatever a header says of addresses."""
    with pytest.raises(PageFault) as refused:
        PROXIED.viewer(
            "192.0.2.1", claimed | {"x-forwarded-user": "ada", "x-forwarded-groups": "sre"}
        )
    assert refused.value.status == 403


@pytest.mark.parametrize("name", ["x-forwarded-user", "x-forwarded-groups", "host"])
def test_a_header_of_the_viewer_that_comes_twice_is_refused(name: str) -> None:
    """A client's own header before the proxy's does not name the viewer."""
    with pytest.raises(PageFault) as refused:
        PROXIED.headers([(name, "mallory"), ("accept", "a"), ("accept", "b"), (name, "ada")])
    assert refused.value.status == 400
    assert PROXIED.headers([(name, "ada"), ("accept", "a")]) == {name: "ada", "accept": "a"}


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_a_loopback_address_is_known(address: str) -> None:
    """Only this machine reaches these addresses."""
    assert is_loopback(address)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"},
        {"sec-fetch-site": "none", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
        {
            "sec-fetch-site": "cross-site",
            "sec-fetch-mode": "navigate",
            "sec-fetch-dest": "document",
        },
    ],
)
def test_a_page_itself_and_links_to_it_are_answered(headers: dict[str, str]) -> None:
    """A page loads what is its own, and any site may link to it."""
    AccessRules().refuse_other_sites(headers)
    assert AccessRules().viewer("127.0.0.1", {"host": "localhost", **headers}) == Viewer()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_form_of_another_site_is_refused(method: str) -> None:
    """A link is answered; what another site sends is not, whole page or not."""
    headers = {
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document",
    }
    AccessRules().refuse_other_sites(headers, "HEAD")
    AccessRules().refuse_other_sites({"sec-fetch-site": "same-origin"}, method)
    with pytest.raises(PageFault) as refused:
        AccessRules().refuse_other_sites(headers, method)
    assert refused.value.status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize(
    ("mode", "dest"),
    [("no-cors", "image"), ("cors", "empty"), ("navigate", "iframe"), ("navigate", "object")],
)
def test_what_another_site_loads_is_refused(site: str, mode: str, dest: str) -> None:
    """A page of another site, or of another port, loads and frames nothing."""
    headers = {"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": dest}
    with pytest.raises(PageFault) as refused:
        AccessRules().refuse_other_sites(headers)
    assert refused.value.status == 403
