"""The decisions of the benchmark of due images."""

from collections import Counter

from imagedrift_bench.due import BY_HOST, COLUMNS, EXACT, PREFIXES, decisions, is_ignored
from imagedrift_sandbox.fleet.invented import InventedFleet

FLEET = InventedFleet(hosts=1000, images=30)


def test_there_are_a_thousand_decisions_of_every_kind() -> None:
    """Most are about one reference, some about many, and a few about some hosts only."""
    rows = [dict(zip(COLUMNS.split(), row, strict=True)) for row in decisions(FLEET)]
    kinds = Counter((row["is_prefix"], row["place"] is not None) for row in rows)
    assert kinds == {(False, False): EXACT, (True, False): PREFIXES, (False, True): BY_HOST}
    assert len(rows) == 1000


def test_what_is_ignored_is_known_without_the_database() -> None:
    """The benchmark's own check rests on it."""
    ignored = {row[1] for row in decisions(FLEET) if row[0] == "ignore" and row[3] is None}
    numbers = range(FLEET.references)
    assert ignored == {FLEET.reference(number) for number in numbers if is_ignored(number)}
