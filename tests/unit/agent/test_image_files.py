"""Images that a file lists: plain lists, and compose files."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_agent.core.image_files import read_compose, read_list, read_variables

D1, D2 = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


def compose(image: Any, variables: dict[str, str] | None = None, **more: Any) -> Any:
    """Read a compose file of one service."""
    document = {"services": {"web": {"image": image, **more}}}
    return read_compose(document, variables or {}, "shop")


@pytest.mark.parametrize(
    "line",
    [
        f"nginx:1 {D1}",
        f"nginx:1@{D1}",
        f"  docker.io/library/nginx:1   {D1}  # the front",
        f"nginx:1 docker-pullable://nginx@{D1}",
        f"nginx:1 linux/amd64 {D1}",
    ],
)
def test_a_line_is_a_reference_and_its_digest(line: str) -> None:
    """However it was put together: by hand, by Docker, by Kubernetes."""
    [image] = read_list(f"# all images\n\n{line}\n").images

    assert image.reference == "docker.io/library/nginx:1"
    assert image.repo_digests == (D1,)
    assert image.platform == "linux/amd64"


def test_a_line_may_name_its_platform() -> None:
    """In any spelling of it."""
    [image] = read_list(f"nginx:1 {D1} linux/aarch64").images

    assert image.platform == "linux/arm64"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("nginx:1", "no digest, so there is nothing to compare"),
        ("Bad Name", "lower case"),
        (f"nginx:1 {D1} amd64", "platform"),
        ("nginx:1 sha256:short", "platform"),
        ("<none>:<none>", "dangling"),
    ],
)
def test_a_line_that_says_nothing_is_remarked_with_its_place(line: str, reason: str) -> None:
    """The others are read."""
    found = read_list(f"redis:7 {D2}\n{line}\n")

    assert [image.reference for image in found.images] == ["docker.io/library/redis:7"]
    [remark] = found.remarks
    assert remark.startswith("line 2: ")
    assert reason in remark


def test_the_same_image_is_listed_once() -> None:
    """Ten pods of one image are one image; two digests of one tag are two."""
    found = read_list(f"nginx:1 {D1}\nnginx:1 {D1}\nnginx:1 {D2}\n")

    assert [image.image_id for image in found.images] == [D1, D2]


def test_a_compose_service_is_an_image() -> None:
    """With its container and service named as an engine's labels would."""
    [image] = compose(f"nginx:1@{D1}", container_name="front", platform="linux/arm64/v8").images

    assert (image.reference, image.repo_digests) == ("docker.io/library/nginx:1", (D1,))
    assert (image.containers, image.services) == (("front",), ("shop/web",))
    assert image.platform == "linux/arm64"


def test_two_services_of_one_image_share_its_entry() -> None:
    """Both are named."""
    services = {name: {"image": f"nginx:1@{D1}"} for name in ("b", "a")}

    [image] = read_compose({"name": "own", "services": services}, {}, "shop").images

    assert image.services == ("own/a", "own/b")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nginx:$TAG@" + D1, "1.27"),
        ("nginx:${TAG}@" + D1, "1.27"),
        ("nginx:${NONE:-9}@" + D1, "9"),
        ("nginx:${EMPTY-9}${TAG}@" + D1, "1.27"),
        ("nginx:${EMPTY:-9}@" + D1, "9"),
        ("nginx:1${TAG:+.9}${NONE:+.8}@" + D1, "1.9"),
    ],
)
def test_variables_are_put_in_as_compose_does(text: str, expected: str) -> None:
    """With their defaults and alternatives."""
    [image] = compose(text, {"TAG": "1.27", "EMPTY": ""}).images

    assert image.reference == f"docker.io/library/nginx:{expected}"


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (None, "built here"),
        (7, "built here"),
        ("nginx:1", "no digest"),
        ("nginx:${MISSING}", "MISSING is not set"),
        ("nginx:${MISSING:?must be set}", "MISSING is not set"),
        ("nginx:$$x", "format"),
    ],
)
def test_a_service_that_says_nothing_is_remarked_with_its_place(image: Any, reason: str) -> None:
    """By the path of the service in the file."""
    [remark] = compose(image).remarks

    assert remark.startswith("services.web: ")
    assert reason in remark


@pytest.mark.parametrize("document", [None, [], "text", {}, {"services": []}])
def test_what_is_no_compose_file_is_remarked(document: Any) -> None:
    """A file that is no compose file has no images, and says why."""
    found = read_compose(document, {}, "shop")

    assert found.images == ()
    assert "services" in found.remarks[0]


def test_variables_are_read_from_env() -> None:
    """Quotes, comments and `export` are those of a shell."""
    text = "# no\nA=1\nexport B = 'two'\n\nC=\"3=3\"\nnonsense\n"

    assert read_variables(text) == {"A": "1", "B": "two", "C": "3=3"}


json_like = st.recursive(
    st.none() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(st.text())
def test_any_text_is_a_list_or_remarks(text: str) -> None:
    """Nothing raises; every line is an image, a remark, or nothing."""
    found = read_list(text)

    assert len(found.images) + len(found.remarks) <= len(text.splitlines())


fields = {"image": json_like | st.just(f"nginx:1@{D1}"), "platform": json_like}


@given(st.dictionaries(st.text(max_size=8), st.fixed_dictionaries({}, optional=fields)))
def test_any_services_are_images_or_remarks(services: Any) -> None:
    """Nothing raises, whatever stands where an image or a platform belongs."""
    found = read_compose({"services": services}, {}, "shop")

    assert len(found.images) + len(found.remarks) <= len(services)


OWN = [
    f"docker-pullable://registry.example.org/team/app@{D1}",
    f"registry.example.org/team/app@{D1}",
    f"registry.example.org/team/app:9@{D1}",
]
OTHERS = [
    f"docker-pullable://docker.io/other/app@{D1}",
    f"docker.io/other/app@{D1}",
    f"team/app@{D1}",
    f"docker://{D1}",
    "docker-pullable://registry.example.org/team/app:1",
]


@pytest.mark.parametrize("beside", OWN)
def test_a_digest_of_the_own_repository_is_taken(beside: str) -> None:
    """Other parts of the name change nothing."""
    [image] = read_list(f"registry.example.org/team/app:1 {beside}").images

    assert image.repo_digests == (D1,)


@pytest.mark.parametrize("beside", OTHERS)
def test_a_digest_of_another_repository_is_remarked(beside: str) -> None:
    """An image with two names is told by either of them (kubernetes/kubernetes#40062)."""
    found = read_list(f"registry.example.org/team/app:1 {beside}")

    assert found.images == ()
    [remark] = found.remarks
    assert remark.startswith("line 1: ")


@pytest.mark.parametrize("beside", ["docker.io/library/nginx", "index.docker.io/nginx", "nginx"])
def test_names_of_one_repository_are_one(beside: str) -> None:
    """Docker Hub is written in several ways."""
    [image] = read_list(f"nginx:1 docker-pullable://{beside}@{D1}").images

    assert image.repo_digests == (D1,)


def test_two_platforms_of_one_digest_are_two_images() -> None:
    """The digest of an index says nothing of which of its platforms runs."""
    digest = f"sha256:{'a' * 64}"

    listed = read_list(f"app:1 {digest} linux/arm64\napp:1 {digest}\napp:1 {digest} LINUX/AMD64")

    assert [image.platform for image in listed.images] == ["linux/amd64", "linux/arm64"]


def test_a_byte_order_mark_is_no_part_of_the_first_reference() -> None:
    """Some editors begin a file with it."""
    listed = read_list(f"\ufeffapp:1 sha256:{'a' * 64}")

    assert [image.reference for image in listed.images] == ["docker.io/library/app:1"]
    assert listed.remarks == ()


def test_names_of_a_compose_file_have_no_control_characters() -> None:
    """Control characters of a file are replaced, as ingest would."""
    service = {"image": f"app@sha256:{'a' * 64}", "container_name": "web\x01"}

    [image] = read_compose({"services": {"a\x01": service}}, {}, "p").images

    assert (image.containers, image.services) == (("web\ufffd",), ("p/a\ufffd",))
