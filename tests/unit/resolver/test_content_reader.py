"""Manifests and configurations by their digests: the right content, or the reason why not."""

import json
from typing import Any

import pytest

from imagedrift_resolver.core.content_reader import ContentReader
from imagedrift_resolver.core.manifest import OCI_INDEX, OCI_MANIFEST, ImageIndex, Manifest
from imagedrift_resolver.core.registry_profile import RegistryProfile
from imagedrift_resolver.core.reply import NoResponse, Reply
from imagedrift_schemas.digest import digest_of
from imagedrift_schemas.v1 import Invalid, Missing, Unreachable
from support.conversations import NOW, Steps, page, play, site, unknown

CONFIG = json.dumps({"created": "2026-01-02T03:04:05Z", "config": {"Labels": {}}}).encode()
CHILD = {"mediaType": OCI_MANIFEST, "size": 2, "digest": f"sha256:{'c' * 64}"}
INDEX = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [CHILD]}).encode()
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": len(CONFIG)}
        | {"digest": str(digest_of(CONFIG))},
        "layers": [],
    }
).encode()


def reader(*, spare: bool = False) -> ContentReader:
    """A reader of one repository."""
    return ContentReader(site(), "team/app", NOW, spare)


def content(body: bytes, reply: Reply | NoResponse, kind: str = "") -> tuple[Any, Steps]:
    """Read what has this body's digest, from a registry that says this."""
    talk = reader().content(RegistryProfile(), str(digest_of(body)))
    found, _, steps = play(talk, lambda _: reply)
    return found, steps


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [(INDEX, OCI_INDEX, ImageIndex), (MANIFEST, OCI_MANIFEST, Manifest)],
)
def test_a_manifest_or_an_index_is_read_by_its_digest(
    body: bytes, kind: str, expected: type
) -> None:
    """One GET of the digest."""
    found, steps = content(body, Reply(200, {"content-type": (kind,)}, body))

    assert isinstance(found, expected)
    assert [str(getattr(step, "url", "")) for step in steps] == [
        f"https://registry.example.org/v2/team/app/manifests/{digest_of(body)}"
    ]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply(200, {"content-type": (OCI_INDEX,)}, MANIFEST), Invalid),
        (unknown(), Missing),
        (page(), Unreachable),
        (NoResponse("closed", "no connection"), Unreachable),
    ],
)
def test_what_is_not_the_content_is_a_failure(reply: Reply | NoResponse, expected: type) -> None:
    """Another content, an error, another program's page, and no response at all."""
    found, _ = content(INDEX, reply)

    assert isinstance(found, expected)


def facts(reply: Reply | NoResponse) -> tuple[Any, Steps]:
    """Read the facts of the configuration, from a registry that says this."""
    talk = reader().facts(RegistryProfile(), str(digest_of(CONFIG)))
    found, _, steps = play(talk, lambda _: reply)
    return found, steps


def test_facts_are_read_from_a_configuration_with_a_spare_request() -> None:
    """Never from the last half of a limit."""
    found, steps = facts(Reply(200, {}, CONFIG))

    assert found.built_at.isoformat() == "2026-01-02T03:04:05+00:00"
    assert all(getattr(step, "spare", False) for step in steps)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, {}, CONFIG + b" "),
        Reply(200, {}, CONFIG, cut=True),
        Reply(404, {}, b""),
        NoResponse("closed", "no connection"),
    ],
)
def test_a_configuration_that_is_not_the_one_has_no_facts(reply: Reply | NoResponse) -> None:
    """None: they are read another time."""
    assert facts(reply)[0] is None
