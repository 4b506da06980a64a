"""Reads manifests, indexes and configurations of one repository, by their digests."""

from datetime import datetime

from msgspec import Struct

from imagedrift_resolver.core import answer
from imagedrift_resolver.core.conversation import Conversation, RegistryProfile, fetch
from imagedrift_resolver.core.image_config import CONFIG_CAP, read_config
from imagedrift_resolver.core.manifest import (
    MANIFEST_CAP,
    ImageIndex,
    Manifest,
    Strange,
    read_manifest,
)
from imagedrift_resolver.core.reply import Reply
from imagedrift_resolver.core.site import Site
from imagedrift_schemas.digest import parse_digest, verify
from imagedrift_schemas.v1 import Failure, Found, ImageFacts, Invalid, Unsupported


class ContentReader(Struct, frozen=True):
    """Reads digests of one repository. `spare`: never from the last half of a limit."""

    site: Site
    repository: str
    now: datetime
    spare: bool

    def content(
        self, profile: RegistryProfile, digest: str, *, spare: bool = False
    ) -> Conversation[ImageIndex | Manifest | Failure]:
        """Get a manifest or an index by its digest, and make sure that it is the one.

        `Unsupported` is said of its very bytes alone: the same digest may be in other registries,
        and one of them must not make it no image for all by a status or a media type.
        """
        url = self.site.url(self.repository, "manifests", digest)
        reply, profile = yield from fetch(
            self.site, profile, "GET", url, MANIFEST_CAP, spare=spare or self.spare
        )
        if not isinstance(reply, Reply):
            return reply, profile
        outcome = answer.of_get(reply, self.now, digest)
        if isinstance(outcome, Unsupported) and not _is_no_image(reply, digest):
            return Invalid(reason=outcome.reason), profile
        if not isinstance(outcome, Found):
            return outcome, profile
        content = read_manifest(reply.body, reply.media_type)
        if isinstance(content, Strange):
            return Invalid(reason=content.reason), profile
        return content, profile

    def facts(self, profile: RegistryProfile, digest: str) -> Conversation[ImageFacts | None]:
        """Get the facts in a configuration; None when it could not be read this time."""
        url = self.site.url(self.repository, "blobs", digest)
        reply, profile = yield from fetch(self.site, profile, "GET", url, CONFIG_CAP, spare=True)
        if not isinstance(reply, Reply) or reply.status != 200 or reply.cut:
            return None, profile
        is_the_one = verify(parse_digest(digest), reply.body)
        return (read_config(reply.body) if is_the_one else None), profile


def _is_no_image(reply: Reply, digest: str) -> bool:
    """Tell whether a response proves by its bytes, whatever it calls them, that it is no image."""
    if reply.status != 200 or reply.cut or not verify(parse_digest(digest), reply.body):
        return False
    content = read_manifest(reply.body, "")
    return isinstance(content, Strange) and content.kind == "unsupported"
