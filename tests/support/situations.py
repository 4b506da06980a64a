"""The situations of the truth matrix: what a host has, what became of its tag, what is right."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from imagedrift_sandbox.registry import Fault, RegistryContent, Shape
from imagedrift_sandbox.registry.images import push_image
from imagedrift_sandbox.registry.store import OCI_INDEX, canonical
from support.engine_replies import EngineKind, Variant

Verdict = tuple[str, str]
NATIVE, OTHER = "linux/amd64", "linux/arm64"
MATCH, PLATFORM = ("current", "digest_match"), ("current", "platform_match")
REPLACED, UNSURE = ("outdated", "platform_differs"), ("outdated", "digest_differs")
UNREACHABLE, MISSING = ("unknown", "unreachable"), ("missing", "not_found")
PINNED, LOCAL, LOST = (
    ("pinned", "by_digest"),
    ("local", "no_repo_digest"),
    ("unknown", "digest_lost"),
)


class Shelf:
    """One repository of the registries, which share their content."""

    def __init__(self, store: RegistryContent, name: str) -> None:
        self.store = store
        self.name = name

    def image(self, seed: int, platform: str = NATIVE) -> Variant:
        """Push an image of a platform and return what an engine calls it."""
        tag = f"{seed}-{platform.replace('/', '-')}"
        pushed = push_image(self.store, self.name, tag, platforms=(platform,), seed=seed)
        return Variant(pushed.digest, pushed.configs[platform], platform)

    def index(self, *children: tuple[Variant, str], note: str = "") -> str:
        """Push an index under the tag `1`; a child's platform is written as it is given, or not."""
        entries = [_entry(child, platform) for child, platform in children]
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
        body = canonical(document | ({"annotations": {"build": note}} if note else {}))
        return self.store.put_manifest(self.name, "1", OCI_INDEX, body).digest

    def single(self, seed: int) -> tuple[str, Variant]:
        """Push a manifest of its own under the tag `1`."""
        pushed = push_image(self.store, self.name, "1", seed=seed, shape=Shape.MANIFEST)
        return pushed.digest, Variant(pushed.digest, pushed.configs[NATIVE], NATIVE)


def _entry(child: Variant, platform: str) -> dict[str, Any]:
    manifest = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": child.manifest,
        "size": 1,
    }
    os, _, architecture = platform.partition("/")
    told = {"platform": {"os": os, "architecture": architecture}} if platform else {}
    return manifest | told


@dataclass
class Situation:
    """An image of a host, its tag's later life, and the verdict that is right."""

    name: str
    before: Callable[[Shelf], tuple[str, Variant]]
    """Makes the tag that hosts pull: its digest, and the image that they run."""
    after: Callable[[Shelf], object]
    """Makes what the tag points to now."""
    right: Verdict
    right_of: dict[EngineKind, Verdict] = field(default_factory=dict)
    """Where an engine cannot know as much."""
    way: str = ""
    """How the host has it, if not by the tag: `digest`, `untagged`, `built`."""
    fault: Fault | None = None

    def expected(self, kind: EngineKind) -> Verdict:
        """The right value on an engine."""
        return self.right_of.get(kind, self.right)

    def applies(self, kind: EngineKind) -> bool:
        """Tell whether an engine can be in it: only some know what was built on their host."""
        return self.way != "built" or kind in ("classic", "containerd-29")


def both(shelf: Shelf, ours: int, other: int, note: str = "") -> tuple[str, Variant]:
    """An index of two platforms, of the builds of these numbers."""
    mine = shelf.image(ours)
    index = shelf.index((mine, NATIVE), (shelf.image(other, OTHER), OTHER), note=note)
    return index, mine


def bare(shelf: Shelf, seed: int) -> tuple[str, Variant]:
    """An index whose child names no platform."""
    image = shelf.image(seed)
    return shelf.index((image, "")), image


def twins(shelf: Shelf, *seeds: int) -> tuple[str, Variant]:
    """An index of several children of one platform; the first is the one that is run."""
    images = [shelf.image(seed) for seed in seeds]
    return shelf.index(*((image, NATIVE) for image in images)), images[0]


BLIND: dict[EngineKind, Verdict] = {"containerd-25": UNSURE}
"""An engine that names the index alone."""
SITUATIONS = (
    Situation("unchanged", lambda s: both(s, 1, 1), lambda _: None, MATCH),
    Situation("replaced", lambda s: both(s, 1, 1), lambda s: both(s, 2, 1), REPLACED, BLIND),
    Situation("other platform", lambda s: both(s, 1, 1), lambda s: both(s, 1, 2), PLATFORM, BLIND),
    Situation("note alone", lambda s: both(s, 1, 1), lambda s: both(s, 1, 1, "2"), PLATFORM, BLIND),
    Situation("no platforms", lambda s: twins(s, 1), lambda s: bare(s, 1), PLATFORM, BLIND),
    Situation("bare, replaced", lambda s: twins(s, 1), lambda s: bare(s, 2), REPLACED, BLIND),
    Situation(
        "second of twins", lambda s: twins(s, 1, 2), lambda s: twins(s, 3, 1), PLATFORM, BLIND
    ),
    Situation("one manifest", lambda s: s.single(1), lambda s: s.single(2), REPLACED, BLIND),
    Situation(
        "tag is gone", lambda s: both(s, 1, 1), lambda s: s.store.delete(s.name, "1"), MISSING
    ),
    Situation("by digest", lambda s: both(s, 1, 1), lambda s: both(s, 2, 2), PINNED, way="digest"),
    Situation(
        "untagged here",
        lambda s: both(s, 1, 1),
        lambda s: both(s, 2, 1),
        LOST,
        {"containerd-29": REPLACED},
        way="untagged",
    ),
    Situation(
        "untagged, same",
        lambda s: both(s, 1, 1),
        lambda s: both(s, 1, 2),
        PLATFORM,
        {"containerd-25": LOST},
        way="untagged",
    ),
    Situation("built here", lambda s: both(s, 1, 1), lambda s: both(s, 2, 1), LOCAL, way="built"),
    Situation(
        "a proxy's 404",
        lambda s: both(s, 1, 1),
        lambda s: both(s, 2, 1),
        UNREACHABLE,
        fault=Fault(status=404, body="404 page not found", content_type="text/plain"),
    ),
    Situation(
        "broken there",
        lambda s: both(s, 1, 1),
        lambda s: both(s, 2, 1),
        UNREACHABLE,
        fault=Fault(status=500, body='{"errors":[{"code":"UNKNOWN"}]}'),
    ),
)
