"""`top` tells what waits, and looks again until Ctrl-C."""

import re

from imagedrift_cli.top import CLEARED
from support.command_line import piped, watched


def test_top_tells_what_nobody_has_read(own_dsn: str, nats_url: str) -> None:
    """A question that no resolver has taken is pending; without NATS_URL that is not known."""
    piped(own_dsn, "check", "nginx:1.27", "--wait", "1", NATS_URL=nats_url)

    shown = piped(own_dsn, "top", NATS_URL=nats_url)
    line = r"^queues    unread inventories 0, questions [1-9]\d*, answers 0; in flight 0$"
    assert re.search(line, shown.out, re.MULTILINE), shown.out
    assert "not looked at, as NATS_URL is not set" in piped(own_dsn, "top").out


def test_top_looks_again_until_ctrl_c(new_dsns: tuple[str, str]) -> None:
    """On a terminal each look takes the place of the one before; Ctrl-C is its normal end."""

    def twice(out: str) -> bool:
        return out.count(CLEARED) > 2

    shown = watched(["top", "--interval", "0.5"], {"DATABASE_URL": new_dsns[0]}, enough=twice)

    assert shown.code == 0, shown.err
    assert shown.out.startswith(CLEARED)
    assert shown.out.count("hosts     4, silent 1") >= 2
