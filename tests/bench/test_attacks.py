"""The attacks of one bad host: messages about itself that its permissions allow."""

from itertools import islice, pairwise

import pytest

from imagedrift_bench import attacks
from imagedrift_bench.attacks import ALIVE, ATTACKS, INVENTORY, Surroundings
from support.ingest import NOW

AROUND = Surroundings(healthy="127.0.0.1:1", hanging=("127.0.0.1:2",), slow=("127.0.0.1:3",))
MAX_PAYLOAD = 1024 * 1024
"""What a NATS server takes by default."""


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_goes_on_and_the_server_takes_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each message is small enough, of the host, and another one than before but for its time."""
    monkeypatch.setattr(attacks, "now", lambda: NOW)
    messages = list(islice(ATTACKS[name](AROUND), 4))

    assert len(messages) == 4
    assert {subject for subject, _, _ in messages} <= {INVENTORY, ALIVE}
    assert all(0 < len(payload) <= MAX_PAYLOAD for _, payload, _ in messages)
    assert all(one[1] != other[1] for one, other in pairwise(messages))
