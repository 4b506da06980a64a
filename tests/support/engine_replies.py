"""Responses of engines about the images of a host, written after their API's documentation.

One image is told as each engine and store tells it: the classic store and Podman name it by its
configuration, containerd's store by what the tag points to, and from version to version more of
the manifest that runs.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

EngineKind: TypeAlias = Literal[
    "classic", "podman", "containerd-25", "containerd-27", "containerd-28", "containerd-29"
]
KINDS: tuple[EngineKind, ...] = get_args(EngineKind)
VERSIONS: dict[EngineKind, tuple[str, str]] = {
    "classic": ("20.10.24", "1.41"),
    "podman": ("4.3.1", "1.41"),
    "containerd-25": ("25.0.5", "1.44"),
    "containerd-27": ("27.3.1", "1.47"),
    "containerd-28": ("28.2.2", "1.50"),
    "containerd-29": ("29.2.1", "1.53"),
}
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class Variant:
    """One platform's image: its manifest, its configuration, and the platform that it claims."""

    manifest: str
    config: str
    claim: str = "linux/amd64"


@dataclass(frozen=True)
class Held:
    """The images that a host has of one repository, and their containers."""

    repository: str
    target: str
    """What the tag pointed to when it was pulled: an index, or a manifest."""
    variants: tuple[Variant, ...]
    tag: str = "1"
    is_tagged: bool = True
    """Whether the image has its tag still."""
    is_pulled: bool = True
    """Whether the registry knows it; otherwise it was built on the host."""
    runs: tuple[Variant, ...] = ()
    """One container of each, made from the tag."""
    reference: str = ""
    """What the containers were made from, where it is not the tag."""

    @property
    def name(self) -> str:
        """The reference of the tag."""
        return f"{self.repository}:{self.tag}"


@dataclass
class _Replies:
    """Collects answers by path."""

    kind: EngineKind
    native: str
    images: dict[str, dict[str, Any]] = field(default_factory=dict)
    containers: list[dict[str, Any]] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)

    def add(self, image: dict[str, Any], **only_inspected: Any) -> None:
        """Add an image to the list, and its details; one of several names is one image."""
        known = self.images.get(image["Id"], {})
        for names in ("RepoTags", "RepoDigests"):
            image[names] = known.get(names, []) + image[names]
        self.images[image["Id"]] = image
        path = f"/images/{image['Id']}/json"
        if "Identity" in only_inspected and path in self.answers:
            only_inspected["Identity"] = _joined(
                self.answers[path]["Identity"], only_inspected["Identity"]
            )
        self.answers[path] = image | only_inspected

    def run(self, held: Held, image_id: str, variant: Variant) -> None:
        """Add a running container; its list shows an id once the tag has moved."""
        number = f"{len(self.containers) + 1:064x}"
        configured = held.reference or held.name
        container: dict[str, Any] = {
            "Id": number,
            "Names": [f"/c{len(self.containers) + 1}"],
            "Image": configured if held.is_tagged else image_id,
            "ImageID": image_id,
            "State": "running",
        }
        if self.kind in ("containerd-28", "containerd-29"):
            container["ImageManifestDescriptor"] = _descriptor(variant)
        self.containers.append(container)
        self.answers[f"/containers/{number}/json"] = {
            "Id": number,
            "Config": {"Image": configured},
        }


def replies(kind: EngineKind, native: str, held: list[Held]) -> dict[str, Any]:
    """Return the answers of an engine by path, without the API version."""
    engine_replies = _Replies(kind, native)
    for one in held:
        if kind in ("classic", "podman"):
            _by_configuration(engine_replies, one)
        else:
            _by_target(engine_replies, one)
    version, api = VERSIONS[kind]
    os, arch, *_ = native.split("/")
    store = [["driver-type", "io.containerd.snapshotter.v1"]] if "containerd" in kind else []
    components = [{"Name": "Podman Engine"}] if kind == "podman" else [{"Name": "Engine"}]
    return engine_replies.answers | {
        "/version": {
            "Version": version,
            "ApiVersion": api,
            "Os": os,
            "Arch": arch,
            "Components": components,
        },
        "/info": {"Name": kind, "Labels": [], "DriverStatus": store, "Architecture": arch},
        "/images/json": list(engine_replies.images.values()),
        "/containers/json": engine_replies.containers,
    }


def _by_configuration(engine_replies: _Replies, held: Held) -> None:
    """Tell an image by each configuration; only the last one pulled has the tag."""
    for position, variant in enumerate(held.variants):
        known = [held.target] if held.is_pulled else []
        if engine_replies.kind == "podman":
            known = list(dict.fromkeys([held.target, variant.manifest]))
        is_tagged = held.is_tagged and position == len(held.variants) - 1
        image = {
            "Id": variant.config,
            "RepoTags": [held.name] if is_tagged else [],
            "RepoDigests": [f"{held.repository}@{d}" for d in known] if held.is_tagged else [],
            "Created": 1790000000,
            "Size": 1000,
        }
        if engine_replies.kind == "podman":
            image["Digest"] = variant.manifest
        engine_replies.add(image, **_inspected(variant.claim))
        if variant in held.runs:
            engine_replies.run(held, variant.config, variant)


def _by_target(engine_replies: _Replies, held: Held) -> None:
    """Tell an image by what the tag points to: all platforms are one image."""
    named = held.is_tagged
    image: dict[str, Any] = {
        "Id": held.target,
        "RepoTags": [held.name] if named else [],
        "RepoDigests": [f"{held.repository}@{held.target}"] if named else [],
        "Created": 1790000000,
        "Size": 1000,
    }
    native = [v for v in held.variants if v.claim == engine_replies.native]
    inspected = _inspected((native or list(held.variants))[0].claim)
    manifests = [_manifest(variant) for variant in held.variants]
    if engine_replies.kind == "containerd-27":
        image["Manifests"] = manifests
    if engine_replies.kind in ("containerd-28", "containerd-29"):
        is_index = all(held.target != variant.manifest for variant in held.variants)
        kind = OCI_INDEX if is_index else OCI_MANIFEST
        inspected |= {
            "Descriptor": {"mediaType": kind, "digest": held.target, "size": 1},
            "Manifests": manifests,
        }
    if engine_replies.kind == "containerd-29":
        pulled = {"Pull": [{"Repository": held.repository}]} if held.is_pulled else {}
        inspected["Identity"] = pulled
    engine_replies.add(image, **inspected)
    for variant in held.runs:
        engine_replies.run(held, held.target, variant)


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Join where an image came from under each of its names."""
    pulled = one.get("Pull", []) + other.get("Pull", [])
    return {"Pull": pulled} if pulled else {}


def _inspected(claim: str) -> dict[str, Any]:
    os, architecture, *variant = claim.split("/")
    told = {"Os": os, "Architecture": architecture, "Created": "2026-10-01T10:20:30Z"}
    return told | ({"Variant": variant[0]} if variant else {})


def _descriptor(variant: Variant) -> dict[str, Any]:
    return {"mediaType": OCI_MANIFEST, "digest": variant.manifest, "size": 1}


def _manifest(variant: Variant) -> dict[str, Any]:
    os, architecture, *rest = variant.claim.split("/")
    platform = {"os": os, "architecture": architecture} | ({"variant": rest[0]} if rest else {})
    return {
        "ID": variant.manifest,
        "Descriptor": _descriptor(variant) | {"platform": platform},
        "Available": True,
        "Kind": "image",
        "ImageData": {"Platform": platform},
    }
