"""Which images stand under which references, seen in the images of an inventory."""

from imagedrift_agent.core.inventory import list_images
from imagedrift_agent.core.records import ImageConfig
from support.engine_records import D1, D2, ID, OTHER, container, image, images_of


def test_a_container_is_listed_under_its_configured_reference() -> None:
    """The short and the full spelling of a reference are the same image."""
    [found] = images_of([image(ID, "nginx:latest")], [container("nginx")])

    assert found.containers == ("web",)
    assert found.running == 1
    assert found.tagged


def test_a_container_whose_tag_moved_keeps_its_reference_and_digests() -> None:
    """The old image is reported beside the new one, with what it was pulled as."""
    new = image(ID, "nginx:1", digests=(f"nginx@{D2}",))
    old = image(OTHER, digests=(f"nginx@{D1}",))

    first, second = images_of([new, old], [container("nginx:1", OTHER)])

    assert (first.image_id, first.repo_digests, first.tagged) == (ID, (D2,), True)
    assert (second.image_id, second.repo_digests, second.tagged) == (OTHER, (D1,), False)
    assert first.reference == second.reference
    assert second.containers == ("web",)


def test_an_image_pulled_by_digest_is_listed_by_digest() -> None:
    """Without a tag the digest is its name, and it is not taken for a moved tag."""
    [found] = images_of([image(ID, digests=(f"nginx@{D1}",))], [])

    assert found.reference == f"docker.io/library/nginx@{D1}"
    assert found.tagged


def test_an_image_without_any_name_is_passed_over() -> None:
    """Neither a nameless image nor the placeholders of old engines are listed or counted."""
    nameless = image(ID, "<none>:<none>", digests=("<none>@<none>",))

    image_list = list_images([nameless, image(OTHER)], [])

    assert image_list.images == ()
    assert image_list.skipped == {}


def test_what_has_no_usable_name_is_counted_by_reason() -> None:
    """A name that is none, a container run by id, and one whose image went are told apart."""
    containers = [
        container("Not A Name", name="a"),
        container(ID, name="b"),
        container(ID.removeprefix("sha256:")[:12], name="c"),
        container("nginx:1", f"sha256:{'9' * 64}", name="d"),
    ]

    image_list = list_images([image(ID, "good:1", "Bad Name:1")], containers)

    assert [found.reference for found in image_list.images] == ["docker.io/library/good:1"]
    assert image_list.skipped == {"bad_name": 2, "container_by_id": 2, "image_gone": 1}


def test_a_tag_that_reads_like_an_id_is_a_tag() -> None:
    """An image may be called like the start of its own id; its tag says that it is a name."""
    [found] = images_of([image(ID, "111111111111:latest")], [container("111111111111")])

    assert found.containers == ("web",)


def test_a_container_may_opt_out() -> None:
    """An image that only such containers use is not reported; others are not affected."""
    ignored = {"imagedrift.ignore": "true"}
    images = [image(ID, "nginx:1"), image(OTHER, "redis:7")]
    containers = [
        container("nginx:1", labels=ignored, name="a"),
        container("redis:7", OTHER, labels=ignored, name="b"),
        container("redis:7", OTHER, name="c"),
    ]

    [found] = images_of(images, containers)

    assert found.reference == "docker.io/library/redis:7"
    assert found.containers == ("c",)


def test_an_image_may_opt_out_with_its_containers() -> None:
    """A label of the image goes for the containers, which inherit it, and counts as no fault."""
    ignored = {"imagedrift.ignore": "true"}
    opted_out = image(ID, "nginx:1", config=ImageConfig(labels=ignored))

    image_list = list_images([opted_out], [container("nginx:1", labels=ignored)])

    assert image_list.images == ()
    assert image_list.skipped == {}
