"""From a host's images to verdicts: what is asked, and what it tells."""

from msgspec import UNSET

from imagedrift_cli.scan.verdicts import ScanFinding, judged
from imagedrift_ingest.core import explanation
from imagedrift_schemas.v1 import (
    AnyAnswer,
    Child,
    Denied,
    Describe,
    Described,
    LocalImage,
    Question,
)
from support.ingest import NGINX, NOW, answer, digest, image


class Registry:
    """Answers that nginx is at version 2, and what is inside it."""

    def __init__(self, *children: Child, failure: Denied | None = None) -> None:
        self.asked: list[Question] = []
        self._children = children
        self._failure = failure

    async def ask(self, question: Question) -> AnyAnswer:
        """Answer one question."""
        self.asked.append(question)
        if not isinstance(question, Describe):
            return answer(version=2)
        return Described(
            registry=question.registry,
            repository=question.repository,
            digest=question.digest,
            checked_at=NOW,
            children=self._children,
            failure=self._failure,
        )

    async def judges(self, *images: LocalImage) -> list[ScanFinding]:
        """Judge the images of a host."""
        return await judged(images, self, now=NOW, is_named=lambda _: False, done=lambda: None)


def child(config: str = "", of: object = "child") -> Child:
    """One manifest of an index."""
    return Child(platform="linux/amd64", digest=digest(of), config_digest=config)


async def test_a_lost_digest_is_looked_for_where_the_tag_is_asked_anyway() -> None:
    """A lost digest causes no question, and is found by another image's."""
    lost = image(version="lost", repo_digests=(), digest_lost=True)
    alone = Registry()
    [finding] = await alone.judges(lost)
    assert (finding.verdict.reason, alone.asked) == ("digest_lost", [])

    both = Registry(child(lost.image_id))
    findings = await both.judges(lost, image(version=2))
    assert [each.verdict.reason for each in findings] == ["platform_match", "digest_match"]
    [asked] = [question for question in both.asked if isinstance(question, Describe)]
    assert asked.image_ids == (lost.image_id,)


async def test_children_count_beside_a_failure_which_is_told_where_it_matters() -> None:
    """After a failed description read children count, and unread ones have the error."""
    known = image(version=1)
    registry = Registry(child(known.image_id), child(of="unread"), failure=Denied(reason="no"))
    one, other = await registry.judges(known, image(version=0))
    assert (one.verdict.reason, one.verdict.error) == ("platform_match", "")
    assert (other.verdict.reason, other.verdict.error) == (
        "digest_differs",
        explanation.NOT_DESCRIBED + "no",
    )


async def test_an_image_named_by_its_manifest_has_no_configuration_to_look_for() -> None:
    """An image of the containerd store needs no configuration."""
    index = digest((NGINX, 1))
    registry = Registry(child())
    await registry.judges(image(image_id=index), image(manifest_digest=digest("m")))
    [asked] = [question for question in registry.asked if isinstance(question, Describe)]
    assert (asked.image_ids, asked.platforms) == ((), ("linux/amd64",))


async def test_a_container_that_names_its_digest_is_told_what_clears_it() -> None:
    """`tag@digest` is shown with the fix (Finsys/dockhand#273)."""
    pinned, plain = await Registry(child()).judges(
        image(version=1, by_digest=True), image(version=0, by_digest=UNSET)
    )
    assert explanation.NAMES_DIGEST in pinned.verdict.error
    assert plain.verdict.error == ""
