"""The records of an engine: the few fields of its API that we read, by the API's own names.

Decoded strictly by type and leniently otherwise (`decoding`): unknown fields are passed over, and a
field that some engine or version does not have, or has as null, is empty here. Every type is of the
Docker Engine API, which Podman speaks as well.
"""

from typing import TypeAlias

from msgspec import Struct, field

_CONTAINERD_STORE = "io.containerd.snapshotter.v1"


class EngineVersion(Struct, frozen=True, rename="pascal"):
    """`GET /version`: who answers, and which API versions it speaks."""

    version: str = ""
    api_version: str = ""
    os: str = ""
    arch: str = ""
    components: list["Component"] | None = None


class Component(Struct, frozen=True, rename="pascal"):
    """One part of the engine; Podman names itself here."""

    name: str = ""


class Info(Struct, frozen=True, rename="pascal"):
    """`GET /info`: the host's name, its operator's labels for the engine, and the image store."""

    name: str = ""
    labels: list[str] | None = None
    driver_status: list[list[str]] | None = None
    server_version: str = ""
    os_type: str = field(default="", name="OSType")
    architecture: str = ""
    """As the kernel names it, such as `armv6l`: more than `Arch` of `/version` says."""

    @property
    def has_containerd_store(self) -> bool:
        """Tell whether images are kept in containerd's store, by id as the digest pulled."""
        return any(_CONTAINERD_STORE in row for row in self.driver_status or ())


class EnginePlatform(Struct, frozen=True):
    """A platform as OCI descriptors write it."""

    os: str = ""
    architecture: str = ""
    variant: str = ""


class Descriptor(Struct, frozen=True, rename="camel"):
    """An OCI descriptor: what an image's name, or a container, points to."""

    media_type: str = ""
    digest: str = ""
    platform: EnginePlatform | None = None


class ImageData(Struct, frozen=True, rename="pascal"):
    """The facts of a manifest that is an image."""

    platform: EnginePlatform | None = None
    containers: list[str] | None = None
    """The ids of the containers that were made from it."""


class EngineManifest(Struct, frozen=True, rename="pascal"):
    """One manifest inside an image (API 1.48, containerd image store)."""

    descriptor: Descriptor = Descriptor()
    kind: str = ""
    available: bool = False
    image_data: ImageData | None = None


SummaryKey: TypeAlias = tuple[str, tuple[str, ...], tuple[str, ...], str, int, int]


class ImageSummary(Struct, frozen=True, rename="pascal"):
    """One element of `GET /images/json`."""

    id: str
    repo_tags: tuple[str, ...] | None = None
    repo_digests: tuple[str, ...] | None = None
    created: int = 0
    size: int = 0
    labels: dict[str, str] | None = None
    digest: str = ""
    """Podman's: the digest that the image has without any name."""
    descriptor: Descriptor | None = None
    manifests: list[EngineManifest] | None = None
    """Told only when asked for (API 1.47, containerd image store)."""

    @property
    def key(self) -> SummaryKey:
        """A key that changes whenever the details do: a further platform changes the size."""
        names = (self.repo_tags or (), self.repo_digests or ())
        return (self.id, *names, self.digest, self.size, self.created)


class PulledFrom(Struct, frozen=True, rename="pascal"):
    """A repository that an image was pulled from or pushed to, mirrors resolved."""

    repository: str = ""


class Identity(Struct, frozen=True, rename="pascal"):
    """Where an image came from, as the engine itself saw it (API 1.53)."""

    pull: list[PulledFrom] | None = None
    build: list[dict[str, object]] | None = None


class ImageConfig(Struct, frozen=True, rename="pascal"):
    """The part of an image's configuration that we read."""

    labels: dict[str, str] | None = None


class EngineImage(Struct, frozen=True, rename="pascal"):
    """`GET /images/{id}/json`."""

    id: str
    repo_tags: list[str] | None = None
    repo_digests: list[str] | None = None
    created: str = ""
    size: int = 0
    os: str = ""
    architecture: str = ""
    variant: str = ""
    config: ImageConfig | None = None
    identity: Identity | None = None
    descriptor: Descriptor | None = None
    """The descriptor that the name points to (API 1.48, containerd image store)."""
    manifests: list[EngineManifest] | None = None
    digest: str = ""
    """The digest of an image without any name; the classic store has none. Put in by us."""
    is_detailed: bool = True
    """False when only the list of images says something of it. Put in by us."""


class Container(Struct, frozen=True, rename="pascal"):
    """One element of `GET /containers/json?all=1`.

    `image` is what the container was configured with. The engine shows an id there once the tag
    has moved; then it is read from the container itself, see `shows_only_an_id`.
    """

    id: str
    names: list[str] | None = None
    image: str = ""
    image_id: str = field(default="", name="ImageID")
    state: str = ""
    labels: dict[str, str] | None = None
    image_manifest_descriptor: Descriptor | None = None


class ContainerConfig(Struct, frozen=True, rename="pascal"):
    """The configuration of a container."""

    image: str = ""


class ContainerDetail(Struct, frozen=True, rename="pascal"):
    """`GET /containers/{id}/json`."""

    id: str
    config: ContainerConfig = ContainerConfig()


class Actor(Struct, frozen=True, rename="pascal"):
    """The object of an event."""

    id: str = field(default="", name="ID")


class Event(Struct, frozen=True, rename="pascal"):
    """One line of `GET /events`."""

    type: str = ""
    action: str = ""
    actor: Actor | None = None


def image_id(text: str) -> str:
    """Give an image's id its algorithm, which Podman leaves out."""
    return text if ":" in text or not text else f"sha256:{text}"


def has_image(container: Container) -> bool:
    """Tell whether the container was made from an image: Podman makes some from a folder."""
    return bool(container.image_id.removeprefix("sha256:"))


def shows_only_an_id(container: Container) -> bool:
    """Tell whether the list shows the image's id in place of the configured reference."""
    shown = container.image
    return not shown or shown.startswith("sha256:") or is_prefix_of_id(shown, container.image_id)


def is_prefix_of_id(text: str, image: str) -> bool:
    """Tell whether the text is an image's id, whole or cut short as people type it."""
    digits = text.removeprefix("sha256:")
    return bool(digits) and image_id(image).removeprefix("sha256:").startswith(digits)
