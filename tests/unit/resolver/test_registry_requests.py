"""One request to a registry: its headers, and a credential that is shown only while it is good."""

from msgspec.structs import replace

from imagedrift_resolver.adapters.refusals import Refusals
from imagedrift_resolver.adapters.registry_requests import RegistryRequests
from imagedrift_resolver.core.credential import Password, Secret
from imagedrift_resolver.core.refusal import MOST_REFUSALS
from imagedrift_resolver.core.reply import NoResponse, Reply
from imagedrift_resolver.core.site import API_ROOT
from imagedrift_resolver.core.steps import Send
from imagedrift_resolver.core.url import Url, parse_url
from imagedrift_schemas.v1 import Denied
from support.virtual_time import StillClock

TAG = Send("HEAD", parse_url("https://r.example/v2/a/b/manifests/1"), None, 100, False, own=True)
ME = Password("me", Secret("hunter2"))
SHOWING = replace(TAG, authorization=Secret(ME.basic()), credential=ME)


class Registry:
    """Answers with one status, its API root with another to whoever shows a credential there."""

    def __init__(self, status: int, root: int = 401) -> None:
        self.status = status
        self.root = root
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    async def send(
        self, method: str, url: Url, headers: list[tuple[str, str]], *, cap: int, trusted: bool
    ) -> Reply | NoResponse:
        """Answer."""
        told = dict(headers)
        self.asked.append((method, url.target, told))
        if url.target != API_ROOT:
            return Reply(self.status)
        return Reply(self.root if "Authorization" in told else 401)


def requests_to(registry: Registry) -> RegistryRequests:
    """Make requests to one registry."""
    clock = StillClock()
    return RegistryRequests(registry, Refusals(clock), clock)


async def test_a_request_accepts_every_kind_of_manifest_and_shows_no_credential() -> None:
    """A request for a tag asks for manifests, and is anonymous without a credential."""
    registry = Registry(200)

    assert await requests_to(registry).show(TAG) == Reply(200)
    (_, _, headers), *_ = registry.asked
    assert "application/vnd.oci.image.index.v1+json" in headers["Accept"]
    assert headers["Host"] == "r.example"
    assert "Authorization" not in headers


async def test_a_list_of_tags_is_asked_for_as_json() -> None:
    """A list is no manifest."""
    registry = Registry(200)
    url = parse_url("https://r.example/v2/a/b/tags/list?n=100")
    await requests_to(registry).send(replace(TAG, method="GET", url=url))

    (_, _, headers), *_ = registry.asked
    assert headers["Accept"] == "application/json"


async def test_a_credential_that_is_refused_everywhere_rests() -> None:
    """After several refusals, and one by the API root, a credential is not shown again."""
    registry = Registry(401)
    asking = requests_to(registry)
    for _ in range(MOST_REFUSALS):
        assert await asking.show(SHOWING) == Reply(401)

    assert isinstance(await asking.show(SHOWING), Denied)
    shown = [headers for _, _, headers in registry.asked if "Authorization" in headers]
    assert len(shown) == MOST_REFUSALS + 1


async def test_a_credential_that_the_api_root_lets_in_is_shown_again() -> None:
    """A credential that the API root lets in is good: some repositories are just not for it."""
    registry = Registry(401, root=200)
    asking = requests_to(registry)
    for _ in range(MOST_REFUSALS + 1):
        assert await asking.show(SHOWING) == Reply(401)

    roots = [
        (method, "Authorization" in told) for method, url, told in registry.asked if url == API_ROOT
    ]
    assert roots == [("GET", False), ("GET", True)]
