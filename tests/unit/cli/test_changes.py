"""Changed verdicts as rows, and the filters that let them pass."""

from typing import Any

import pytest

from imagedrift_cli.changes import BRIEF, COLUMNS, passes, row_of
from imagedrift_cli.filters import Filters
from imagedrift_schemas.v1 import Changed
from support.ingest import NOW


def changed(**more: Any) -> Changed:
    """An image that became outdated on three hosts."""
    told: dict[str, Any] = {
        "registry": "docker.io", "repository": "library/nginx", "tag": "1.27",
        "platform": "linux/amd64", "image_id": "sha256:" + "01" * 32, "from_verdict": "current",
        "from_reason": "digest_match", "to_verdict": "outdated", "to_reason": "digest_differs",
        "changed_at": NOW, "hosts": 3, "running_hosts": 2,
    }  # fmt: skip
    return Changed(**(told | more))


def test_a_row_has_every_column() -> None:
    """The reference is in full; what is not known is nothing."""
    row = row_of(changed())

    assert tuple(row) == COLUMNS
    assert row["reference"] == "docker.io/library/nginx:1.27"
    assert row["remote_digest"] is None
    assert {name.partition("=")[0] for name in BRIEF} <= set(COLUMNS)


@pytest.mark.parametrize(
    ("filters", "passed"),
    [
        (Filters(), True),
        (Filters(registries=("ghcr.io", "docker.io")), True),
        (Filters(registries=("ghcr.io",)), False),
        (Filters(verdicts=("outdated", "missing")), True),
        (Filters(verdicts=("current",)), False),
        (Filters(running=True), True),
        (Filters(texts=("NGINX", "1.27")), True),
        (Filters(texts=("nginx", "1.28")), False),
    ],
)
def test_filters_of_images_are_asked_of_the_message(filters: Filters, passed: bool) -> None:
    """The verdict is the new one; all texts have to be in the reference."""
    assert passes(row_of(changed()), filters) is passed


def test_an_image_that_runs_nowhere_does_not_pass_as_running() -> None:
    """`--running` is about containers that run."""
    assert not passes(row_of(changed(running_hosts=0)), Filters(running=True))
