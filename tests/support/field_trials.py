"""Shared parts of the trials over sockets: a password, and ways to ask several questions."""

import asyncio
from pathlib import Path

from imagedrift_schemas.v1 import Answer
from support.resolver import ResolverClient, resolve, trusting
from support.scripted_registry import ScriptedRegistry

BASIC = "Basic bWU6aHVudGVyMg=="


def with_password(home: Path, host: str, **keys: object) -> str:
    """A `registries.toml` with the password hunter2 for one registry."""
    (home / "password").write_text("hunter2")
    return trusting(host, username="me", password_file=str(home / "password"), **keys)


async def ask_each(
    client: ResolverClient, registry: ScriptedRegistry, *images: str
) -> list[Answer]:
    """Ask one after the other."""
    return [await client.ask(f"{registry.host}/{image}", ttl_s=1) for image in images]


async def ask_together(
    client: ResolverClient, registry: ScriptedRegistry, images: list[str]
) -> list[Answer]:
    """Ask all at once."""
    questions = [resolve(f"{registry.host}/{image}") for image in images]
    for question in questions:
        await client.put_anew(question, 1)
    return await asyncio.gather(*(client.answer(question) for question in questions))
