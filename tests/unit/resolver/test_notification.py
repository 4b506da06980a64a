"""Push notifications: what registries send, and whom we believe."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_resolver.core.notification import Unreadable, moved_tags

DIGEST = f"sha256:{'a' * 64}"

DISTRIBUTION = {
    "events": [
        {
            "action": "push",
            "target": {"repository": "team/app", "tag": "1.0", "digest": DIGEST},
            "request": {"host": "registry.example.org:5000", "method": "PUT"},
        },
        {
            "action": "pull",
            "target": {"repository": "team/other", "tag": "1.0"},
            "request": {"host": "registry.example.org:5000"},
        },
        {
            "action": "push",
            "target": {"repository": "team/app", "digest": DIGEST},
            "request": {"host": "registry.example.org:5000"},
        },
    ]
}

HUB = {
    "push_data": {"tag": "latest", "pusher": "me"},
    "repository": {"repo_name": "team/app", "status": "Active"},
}

GITHUB = {
    "action": "published",
    "package": {
        "name": "App",
        "namespace": "Team",
        "package_type": "CONTAINER",
        "package_version": {"container_metadata": {"tag": {"name": "V1", "digest": DIGEST}}},
    },
}

HARBOR = {
    "type": "PUSH_ARTIFACT",
    "event_data": {
        "resources": [
            {"digest": DIGEST, "tag": "v1", "resource_url": "hub.example.org:443/p/app:v1"},
            {"digest": DIGEST, "tag": "v2", "resource_url": f"hub.example.org/p/app@{DIGEST}"},
        ],
        "repository": {"repo_full_name": "p/app"},
    },
}

QUAY = {
    "name": "app",
    "repository": "ns/app",
    "docker_url": "quay.io/ns/app",
    "updated_tags": ["latest", "1.0"],
}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (DISTRIBUTION, ["registry.example.org:5000/team/app:1.0"]),
        (HUB, ["docker.io/team/app:latest"]),
        (GITHUB, ["ghcr.io/team/app:V1"]),
        ({"registry_package": GITHUB["package"]}, ["ghcr.io/team/app:V1"]),
        ({"package": {"package_type": "npm"}}, []),
        (HARBOR, ["hub.example.org:443/p/app:v1", "hub.example.org/p/app:v2"]),
        (QUAY, ["quay.io/ns/app:latest", "quay.io/ns/app:1.0"]),
        ({"events": []}, []),
    ],
)
def test_each_registrys_notification_is_understood(
    document: dict[str, Any], expected: list[str]
) -> None:
    """Notifications of five kinds of registries name the pushed tags."""
    found = moved_tags(json.dumps(document).encode())
    assert [reference.canonical for reference in found] == expected


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"<html>", b'{"other": 1}', b"[" * 100_000])
def test_what_is_no_notification_is_refused(body: bytes) -> None:
    """The sender is told that it was not understood."""
    with pytest.raises(Unreadable):
        moved_tags(body)


marks = ["events", "push_data", "repository", "package", "event_data", "docker_url"]

inner = st.recursive(
    st.none() | st.integers() | st.text(max_size=10),
    lambda i: (
        st.lists(i, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [*marks, "target", "request", "host", "tag", "resources", "updated_tags"]
            ),
            i,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(marks), inner, min_size=1))
def test_no_document_raises_anything_else(document: dict[str, Any]) -> None:
    """Any JSON gives references, or is refused."""
    try:
        moved = moved_tags(json.dumps(document).encode())
    except Unreadable:
        return
    assert isinstance(moved, tuple)
