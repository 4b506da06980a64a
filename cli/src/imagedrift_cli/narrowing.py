"""A text is looked for in names first, before the images of all hosts are searched for it.

Rules:
- A text that is in no reference can only be in the name of a host, and the other way round. Both
  are few to search, and the images of hosts are many.
- What is found is a further condition, which follows from the text. So the answer stays the same,
  and PostgreSQL begins with these hosts, or these references, and reads their images by an index.
- A text that is in both, or in too many names, narrows nothing.
"""

from typing import Any, Final

from msgspec import Struct

from imagedrift_cli.database import Reader
from imagedrift_cli.filters import Filters

MOST: Final = 1_000
"""Names that are worth a condition; more of them are found by reading all."""
BY_HOST: Final = "(site, host) IN (SELECT * FROM unnest(:text_sites::text[], :text_hosts::text[]))"
BY_REFERENCE: Final = "reference = ANY (:text_references::text[])"


class Narrowing(Struct, frozen=True):
    """A condition, and its parameters; empty where there is none."""

    condition: str = ""
    values: dict[str, Any] = {}


async def narrowing(reader: Reader, filters: Filters) -> Narrowing:
    """Find the hosts or references that one of the texts can only mean. Raises `Unusable`."""
    for text in filters.texts:
        values = {"text": text, "most": MOST + 1}
        references = await reader.named("references_with", **values)
        hosts = await reader.named("hosts_with", **values)
        found = chosen(hosts, references)
        if found.condition:
            return found
    return Narrowing()


def chosen(hosts: list[dict[str, Any]], references: list[dict[str, Any]]) -> Narrowing:
    """Choose the condition for a text that is in these names."""
    if not references and len(hosts) <= MOST:
        sites, ids = [row["site"] for row in hosts], [row["host"] for row in hosts]
        return Narrowing(BY_HOST, {"text_sites": sites, "text_hosts": ids})
    if not hosts and len(references) <= MOST:
        return Narrowing(
            BY_REFERENCE, {"text_references": [row["reference"] for row in references]}
        )
    return Narrowing()
