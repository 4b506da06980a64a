"""Files with credentials, as `docker login` writes them."""

import base64
import json
from typing import Any

from hypothesis import strategies as st

from imagedrift_resolver.core.credential import (
    Password,
    Secret,
)
from imagedrift_resolver.core.docker_config import DockerConfig, look_up, parse_config

HUB = "https://index.docker.io/v1/"

ME = Password("me", Secret("secret"))


def config(**document: Any) -> DockerConfig:
    """Read a document."""
    return parse_config(json.dumps(document).encode())


def auth(pair: str) -> dict[str, str]:
    """An entry as `docker login` writes it."""
    return {"auth": base64.b64encode(pair.encode()).decode()}


def only(held: DockerConfig, registry: str, repository: str = "a/b") -> Any:
    """Return the one thing to try, or None when there is nothing."""
    steps = look_up(held, registry, repository)
    assert len(steps) <= 1
    return steps[0] if steps else None


FIELD = st.sampled_from(["auth", "identitytoken", "registrytoken", "username", "password", "Auth"])

SECRETS = ["hunter2", "aHVudGVyMg==", "aHVudGVyMjo=", "\ud800"]

SCALAR = st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(SECRETS)

ANY: st.SearchStrategy[Any] = st.recursive(
    SCALAR | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | FIELD, inner),
    max_leaves=8,
)
