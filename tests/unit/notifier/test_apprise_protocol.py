"""The outcome of a message by what its process reported until it ended."""

import pytest

from imagedrift_notifier.core import apprise_protocol
from imagedrift_notifier.core.apprise_protocol import Began, report
from imagedrift_notifier.core.outcome import Delivered, Doubtful, Failed, SendOutcome
from imagedrift_notifier.core.secret_text import SecretText

BEGAN = report(Began("Slack"))
CUT_OFF = Doubtful("Slack: no answer within 25 s and the memory that it may use")


@pytest.mark.parametrize(
    ("output", "outcome"),
    [
        (b"", Failed("Apprise did not start")),
        (BEGAN[:-1], Failed("Apprise did not start")),
        (BEGAN, CUT_OFF),
        (BEGAN + report(Delivered())[:-1], CUT_OFF),
        (BEGAN + report(Delivered()), Delivered()),
        (BEGAN + report(Failed("no")), Failed("no")),
        (report(Failed("no address")), Failed("no address")),
    ],
)
def test_only_what_began_can_be_in_doubt(output: bytes, outcome: SendOutcome) -> None:
    """A process that ended before it sent anything leaves a failure, which is tried again."""
    assert apprise_protocol.outcome(output, 25.0) == outcome


def test_a_request_is_read_as_it_was_written() -> None:
    """The address stays hidden on the other side."""
    written = apprise_protocol.request(SecretText("slack://t0k3n"), "a title", "a\ntext", 2.5)
    read = apprise_protocol.read_request(written)

    assert read.address.reveal() == "slack://t0k3n"
    assert (read.title, read.body, read.within_s) == ("a title", "a\ntext", 2.5)
    assert "t0k3n" not in repr(read)
