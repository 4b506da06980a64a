"""A registry that has documents by digest, and conversations that look into a digest of it."""

import hashlib
import json
from typing import Any

from imagedrift_resolver.core.conversation import RegistryProfile, Send
from imagedrift_resolver.core.description import Description, describe
from imagedrift_resolver.core.manifest import OCI_INDEX, OCI_MANIFEST
from imagedrift_resolver.core.reply import Reply
from imagedrift_schemas.v1 import Child, Describe
from support.conversations import NOW, Steps, play, site, unknown


class Shelf:
    """A registry that has documents by digest."""

    def __init__(self) -> None:
        self.documents: dict[str, tuple[bytes, str]] = {}

    def put(self, media_type: str, **document: Any) -> str:
        """Keep a document and return its digest."""
        body = json.dumps({"mediaType": media_type, **document}).encode()
        digest = "sha256:" + hashlib.sha256(body).hexdigest()
        self.documents[digest] = (body, media_type)
        return digest

    def image(self, platform: str, **told: Any) -> tuple[str, str]:
        """Keep an image of a platform and return the digests of its manifest and configuration."""
        os, architecture, *variant = platform.split("/")
        told |= {"os": os, "architecture": architecture}
        config = self.put("config", **told, **({"variant": variant[0]} if variant else {}))
        return self.put(OCI_MANIFEST, config={"digest": config, "size": 1}, layers=[]), config

    def index(self, *children: tuple[str, str], **entries: str) -> str:
        """Keep an index of (digest, platform), and of indexes."""
        listed: list[dict[str, Any]] = []
        for digest, platform in children:
            os, architecture, *variant = platform.split("/")
            told = {"os": os, "architecture": architecture}
            told |= {"variant": variant[0]} if variant else {}
            listed.append({"digest": digest, "mediaType": OCI_MANIFEST, "platform": told})
        listed += [{"digest": d, "mediaType": OCI_INDEX} for d in entries.values()]
        return self.put(OCI_INDEX, manifests=listed)

    def __call__(self, step: Send) -> Reply:
        """Answer a request."""
        found = self.documents.get(step.url.target.rpartition("/")[2])
        if found is None:
            return unknown()
        return Reply(200, {"content-type": (found[1],)}, found[0])


def look(
    shelf: Any,
    digest: str,
    *platforms: str,
    image_ids: tuple[str, ...] = (),
    known: tuple[Child, ...] = (),
    facts_of: tuple[str, ...] = (),
) -> tuple[Any, Steps]:
    """Look into a digest: its children, or the failure where there are none."""
    told, steps = look_whole(
        shelf, digest, *platforms, image_ids=image_ids, known=known, facts_of=facts_of
    )
    return told.children if told.failure is None else told.failure, steps


def look_whole(
    shelf: Any,
    digest: str,
    *platforms: str,
    image_ids: tuple[str, ...] = (),
    known: tuple[Child, ...] = (),
    facts_of: tuple[str, ...] = (),
) -> tuple[Description, Steps]:
    """Look into a digest: everything that is told."""
    question = Describe(
        registry="registry.example.org",
        repository="team/app",
        digest=digest,
        asked_at=NOW,
        platforms=platforms,
        image_ids=image_ids,
        facts_of=facts_of,
    )
    result, _, steps = play(describe(site(), RegistryProfile(), question, known, NOW), shelf)
    return result, steps
