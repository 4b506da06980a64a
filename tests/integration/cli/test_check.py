"""`check` tells why it has no answer."""

import asyncio
import re

from support.command_line import piped
from support.operator import Operator


def test_a_check_tells_which_registry_blocks_and_who_is_silent(own_dsn: str, nats_url: str) -> None:
    """A registry that blocks is not asked; that no resolver answers is told, too: exit 2."""
    block = "UPDATE fleet.registry_states SET blocked_until = now() + interval '1 hour'"
    asyncio.run(Operator(own_dsn).ask(block))

    blocked = piped(own_dsn, "check", "nginx:1.27", NATS_URL=nats_url)
    host = piped(own_dsn, "check", "ber1/web-1", "--wait", "1", NATS_URL=nats_url)

    assert blocked.code == host.code == 2
    until = r"docker.io/library/nginx:1.27  not asked: docker.io blocks until \S+Z\n"
    assert re.fullmatch(until, blocked.out), blocked.out
    lines = dict(line.split("  ", 1) for line in host.lines)
    assert len(lines) == 4
    assert lines["docker.io/library/redis:7"].startswith("not asked: docker.io blocks")
    silent = "no answer within 1 s: see `imagedrift top`"
    assert lines["registry.example.org/team/app:3"] == silent
