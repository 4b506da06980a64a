"""Files in place of an engine: what is read, and what cannot be."""

from pathlib import Path

import pytest

from imagedrift_agent import wiring
from imagedrift_agent.core.snapshot import SourceFault
from imagedrift_agent.settings import AgentSettings

D1 = f"sha256:{'a' * 64}"


async def test_an_inventory_can_be_taken_without_a_server(tmp_path: Path) -> None:
    """For a look at this host, or at a compose file in a pipeline."""
    file = tmp_path / "compose.yaml"
    file.write_text("name: shop\nservices:\n  web:\n    image: nginx:${TAG}@" + D1 + "\n")
    (tmp_path / ".env").write_text("TAG=1.27\n")

    inventory = await wiring.take_inventory(AgentSettings(source=f"compose:{file}"))

    [image] = inventory.images
    assert (image.reference, image.services) == ("docker.io/library/nginx:1.27", ("shop/web",))
    assert inventory.engine == "compose"


@pytest.mark.parametrize(
    ("kind", "content"),
    [("list", b"\xff\xfe"), ("compose", b"a: [1"), ("compose", b"[" * 1500), ("list", None)],
    ids=["no text", "no YAML", "too deep", "no file"],
)
async def test_a_file_that_cannot_be_read_is_a_fault_with_its_path(
    tmp_path: Path, kind: str, content: bytes | None
) -> None:
    """As an engine that does not answer is: the last inventory stands."""
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(SourceFault, match=str(file)):
        await wiring.take_inventory(AgentSettings(source=f"{kind}:{file}"))
