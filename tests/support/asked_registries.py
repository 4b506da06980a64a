"""Registries that are asked by conversations of a test."""

from typing import Any

from imagedrift_resolver.core.conversation import RegistryProfile, resolve
from imagedrift_resolver.core.credential import (
    Credential,
)
from support.conversations import (
    NOW,
    play,
    site,
)

HOST = "https://registry.example.org"

BEARER = f'Bearer realm="{HOST}/token"'


def ask(credential: Credential | None, server: Any, profile: RegistryProfile | None = None) -> Any:
    """Ask what `team/app:1` points to."""
    conversation = resolve(
        site(credential=credential), profile or RegistryProfile(), "team/app", "1", NOW
    )
    return play(conversation, server)
