"""Random fleets: what a registry has, what a host runs, and how its engine tells of it.

A fleet knows the bytes that run, so it is an oracle for every verdict. Its registry and its engine
tell them as badly as real ones do: children without a platform or of another one than their
configuration names, several children of one platform, indexes inside indexes, attestations, tags
that were removed under a running container, and engines that know only part of it.
"""

import hashlib
import json
import random
from dataclasses import dataclass
from typing import Any

from imagedrift_resolver.core.conversation import Send
from imagedrift_resolver.core.manifest import OCI_INDEX, OCI_MANIFEST
from imagedrift_resolver.core.reply import Reply
from imagedrift_schemas.platform import Platform, best
from support.engine_replies import KINDS, EngineKind, Held, Variant

PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/arm/v6", "windows/amd64")
REPOSITORY = "registry.example.org/team/app"
_UNKNOWN = b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}'


@dataclass(frozen=True)
class RandomFleet:
    """The images of the registry, and those of one host."""

    kind: EngineKind
    native: str
    tag: str
    """What the tag points to now."""
    now: tuple[Variant, ...]
    """The images in it."""
    held: Held
    labels: dict[str, str]
    """The platform under which the registry lists each image, where it lists one."""
    documents: dict[str, tuple[bytes, str]]

    def offers(self, platform: str) -> bool:
        """Tell whether the tag has an image that a host of this platform could run."""
        listed = [self.labels.get(each.manifest, "") for each in self.now]
        if "" in listed or self.tag in {each.manifest for each in self.now}:
            return True
        return best(Platform.parse(platform), [Platform.parse(each) for each in listed]) is not None

    def serve(self, step: Send) -> Reply:
        """Answer a request for a manifest by its digest, as a registry."""
        found = self.documents.get(step.url.target.rpartition("/")[2])
        if found is None:
            return Reply(404, {"content-type": ("application/json",)}, _UNKNOWN)
        return Reply(200, {"content-type": (found[1],)}, found[0])

    def is_current(self, variant: Variant) -> bool:
        """Tell whether the tag points to this image: by its bytes, as the engine names them."""
        if self.kind in ("classic", "podman"):
            return variant.config in {each.config for each in self.now}
        return variant.manifest in {each.manifest for each in self.now}

    def is_named(self, variant: Variant) -> bool:
        """Tell whether the engine names the very image, so that a difference is certain."""
        if self.kind in ("classic", "podman"):
            return True
        several = len(self.held.variants) > 1 and variant not in self.held.runs
        return self.kind != "containerd-25" and not several


def make_fleet(seed: int) -> RandomFleet:
    """Make the fleet of this number: the same one each time."""
    dice = random.Random(seed)
    maker = _Maker(dice)
    before = [maker.image(dice.choice(PLATFORMS)) for _ in range(dice.choice((1, 1, 2, 3, 4)))]
    now = maker.rebuilt(before)
    old, new = maker.tagged(before), maker.tagged(now)
    kind = dice.choice(KINDS)
    return RandomFleet(
        kind=kind,
        native=dice.choice(PLATFORMS[:3]),
        tag=new if dice.random() < 0.95 else old,
        now=tuple(now),
        held=_held(dice, maker, kind, old, before),
        labels=maker.labels,
        documents=maker.documents,
    )


def _held(
    dice: random.Random, maker: "_Maker", kind: EngineKind, old: str, before: list[Variant]
) -> Held:
    """Decide what the host has of the old tag, and what it runs."""
    if kind in ("classic", "containerd-29") and dice.random() < 0.1:
        built = maker.image(dice.choice(PLATFORMS))
        return Held(REPOSITORY, built.manifest, (built,), is_pulled=False, runs=(built,))
    is_tagged = dice.random() < 0.9
    several = kind in ("containerd-28", "containerd-29") and len({*before}) > 1
    count = 2 if several and dice.random() < 0.4 else 1
    has = tuple(dice.sample(before, count))
    runs = has if not is_tagged or count > 1 or dice.random() < 0.8 else ()
    return Held(REPOSITORY, old, has, is_tagged=is_tagged, runs=runs)


def digest_of(text: bytes) -> str:
    """The digest of some bytes."""
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


class _Maker:
    """Makes images and indexes, and keeps their documents."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._labels: dict[str, dict[str, str] | None] = {}
        self.labels: dict[str, str] = {}
        self.documents: dict[str, tuple[bytes, str]] = {}

    def image(self, platform: str, config: str = "") -> Variant:
        """Make an image for a platform, or a twin of a configuration by other compression."""
        config = config or digest_of(self._dice.randbytes(16))
        manifest = self._keep(OCI_MANIFEST, config={"digest": config, "size": 1}, layers=[])
        label = self._labels[manifest] = self._label(platform)
        if label and label["os"]:
            self.labels[manifest] = platform
        return Variant(manifest, config, self._claim(platform))

    def rebuilt(self, before: list[Variant]) -> list[Variant]:
        """Make what the tag points to now: some children new, some gone, in another order."""
        now: list[Variant] = []
        for image in before:
            chance = self._dice.random()
            if chance < 0.45:
                now.append(image)
            elif chance < 0.9:
                now.append(self.image(image.claim))
            if chance < 0.15:
                now.append(self.image(image.claim, image.config))
        now += [self.image(p) for p in PLATFORMS if self._dice.random() < 0.15]
        self._dice.shuffle(now)
        return now or [self.image("linux/amd64")]

    def tagged(self, images: list[Variant]) -> str:
        """Make what a tag points to and return its digest."""
        if len(images) == 1 and self._dice.random() < 0.5:
            return images[0].manifest
        entries = [self._entry(image) for image in images]
        if self._dice.random() < 0.4:
            entries.append(self._attestation())
        if len(entries) > 1 and self._dice.random() < 0.1:
            inner = self._keep(OCI_INDEX, manifests=[entries.pop()])
            entries.append({"mediaType": OCI_INDEX, "digest": inner, "size": 1})
        return self._keep(OCI_INDEX, manifests=entries)

    def _keep(self, media_type: str, **document: Any) -> str:
        salt = self._dice.randbytes(4).hex()
        told = {"schemaVersion": 2, "mediaType": media_type, "annotations": {"salt": salt}}
        body = json.dumps(told | document).encode()
        digest = digest_of(body)
        self.documents[digest] = (body, media_type)
        return digest

    def _entry(self, image: Variant) -> dict[str, Any]:
        entry: dict[str, Any] = {"mediaType": OCI_MANIFEST, "digest": image.manifest, "size": 1}
        label = self._labels[image.manifest]
        return entry if label is None else entry | {"platform": label}

    def _attestation(self) -> dict[str, Any]:
        config = {"digest": digest_of(self._dice.randbytes(8)), "size": 1}
        return {
            "mediaType": OCI_MANIFEST,
            "digest": self._keep(OCI_MANIFEST, config=config, layers=[]),
            "platform": {"os": "unknown", "architecture": "unknown"},
            "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
        }

    def _claim(self, platform: str) -> str:
        chance = self._dice.random()
        if chance < 0.1:
            return "/".join(platform.split("/")[:2])
        return "linux/amd64" if chance < 0.15 else platform

    def _label(self, platform: str) -> dict[str, str] | None:
        chance = self._dice.random()
        if chance < 0.1:
            return None
        if chance < 0.15:
            return {"os": "", "architecture": ""}
        os, architecture, *variant = platform.split("/")
        told = {"os": os, "architecture": architecture}
        if os == "windows":
            told["os.version"] = f"10.0.{self._dice.randrange(3)}"
        return told | ({"variant": variant[0]} if variant else {})
