"""The facts that an image's labels tell: its version, and what it was built from.

| label `org.opencontainers.image.…` | fact          |
|------------------------------------|---------------|
| version                            | `version`     |
| revision                           | `revision`    |
| source                             | `source`      |
| base.name                          | `base_name`   |
| base.digest                        | `base_digest` |

Rules:
- A label of more than 256 bytes is left out and not cut: a cut version is another version.
- A character that cannot be shown is replaced, and never taken out. A label of nothing else is
  left out.
- A base whose digest is none is no base: its name is left out as well.
"""

from collections.abc import Mapping
from typing import Final

from imagedrift_schemas.constraints import MOST_FACT
from imagedrift_schemas.digest import is_digest
from imagedrift_schemas.text import REPLACEMENT, cleaned

PREFIX: Final = "org.opencontainers.image."
LABELS: Final[Mapping[str, str]] = {
    f"{PREFIX}version": "version",
    f"{PREFIX}revision": "revision",
    f"{PREFIX}source": "source",
    f"{PREFIX}base.name": "base_name",
    f"{PREFIX}base.digest": "base_digest",
}
"""The labels that are read, and the fact that each tells."""


def facts_in(labels: Mapping[str, object]) -> dict[str, str]:
    """Read the facts in an image's labels: those that it has, by the name of the fact."""
    return valid_facts({fact: labels.get(label, "") for label, fact in LABELS.items()})


def valid_facts(told: Mapping[str, object]) -> dict[str, str]:
    """Return those of the told facts that may be kept and shown, none of them empty."""
    facts = {fact: text for fact, value in told.items() if (text := _fit(value))}
    if "base_digest" in facts and not is_digest(facts["base_digest"]):
        del facts["base_digest"]
        facts.pop("base_name", None)
    return facts


def _fit(value: object) -> str:
    """Make a label fit to be kept; one that is too long, or says nothing, becomes empty."""
    if not isinstance(value, str) or len(value) > MOST_FACT:
        return ""
    text = cleaned(value, MOST_FACT).strip()
    fits = len(text.encode()) <= MOST_FACT and text.strip(f"{REPLACEMENT} ")
    return text if fits else ""
