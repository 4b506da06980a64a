"""The committed samples of every message: ``schemas/samples/v1/<name>.<what>.json``."""

from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from imagedrift_schemas.catalogue import ROUTES, name_of

ROOT = Path(__file__).parents[2]
"""The repository."""


class Sample(NamedTuple):
    """One sample: what it is a sample of, and its bytes as committed."""

    name: str
    message: type[Struct]
    payload: bytes


def _samples() -> list[Sample]:
    kinds = {name_of(route.message): route.message for route in ROUTES}
    paths = sorted((ROOT / "schemas" / "samples" / "v1").glob("*.json"))
    return [Sample(path.stem, kinds[path.name.split(".")[0]], path.read_bytes()) for path in paths]


SAMPLES = _samples()
FULL = list({sample.message: sample for sample in SAMPLES if ".full" in sample.name}.values())
"""The newest full sample of each message: `fuller` has the fields that were added after `full`."""
MINIMAL = [sample for sample in SAMPLES if ".minimal" in sample.name]
