"""Facts that labels tell of an image that was stored without."""

import pytest
from msgspec.structs import replace

from imagedrift_ingest.adapters.postgres.version_facts import add_versions, as_json
from imagedrift_ingest.core.identities import IdentityCache
from imagedrift_ingest.core.images import HostImage
from imagedrift_schemas.v1 import LocalImage
from support.ingest import image
from support.planning import planning

KEYS = """\
SELECT reference, comparison_id
FROM fleet.comparisons JOIN fleet.image_refs USING (ref_id)"""


def host_image(local: LocalImage) -> HostImage:
    """A local image as a host's row."""
    return HostImage(IdentityCache().reading().of(0, local), False, local)


async def test_the_labels_of_one_host_are_stored_for_the_image(dsn: str) -> None:
    """Only images that lack them are written, and only where labels tell something."""
    told, silent = replace(image("r.io/a:1"), version="1.27.3"), image("r.io/b:1")
    async with planning(dsn, 100) as planned:
        await planned.has("web-1", image("r.io/a:1"), silent)
        rows = await planned.database.fetch(KEYS)
        ids = {row["reference"]: row["comparison_id"] for row in rows}
        images = [host_image(told), host_image(silent)]
        lacking = {each.key: ids[each.key.reference] for each in images}

        stored = await add_versions(planned.database, lacking, [images])
        again = await add_versions(planned.database, {}, [images])

        shown = await planned.database.fetch(
            "SELECT reference, local_version FROM ops.comparisons ORDER BY reference"
        )
    assert stored == {images[0].key}
    assert again == set()
    assert [tuple(row) for row in shown] == [("r.io/a:1", "1.27.3"), ("r.io/b:1", None)]


@pytest.mark.parametrize(("facts", "text"), [({}, None), ({"version": "1"}, '{"version":"1"}')])
def test_no_facts_are_written_as_nothing(facts: dict[str, str], text: str | None) -> None:
    """Most images tell none."""
    assert as_json(facts) == text
