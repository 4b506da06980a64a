"""Dead letters are shown and dropped by their names."""

import asyncio

from support.command_line import piped
from support.operator import Operator


def test_a_letter_is_shown_and_dropped(own_dsn: str) -> None:
    """A dead letter is shown with its message, and gone after a drop."""
    [letter] = asyncio.run(Operator(own_dsn).ask("SELECT letter FROM ops.dead_letters"))
    name = letter["letter"]

    assert "no inventory" in piped(own_dsn, "dead-letters", "--show", name).out
    assert piped(own_dsn, "dead-letters", "--drop", name).out == f"dropped {name}\n"
    assert len(piped(own_dsn, "dead-letters").lines) == 1
    assert piped(own_dsn, "dead-letters", "--drop", name).code == 4
