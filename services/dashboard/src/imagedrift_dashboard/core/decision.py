"""Decisions that a viewer makes on the pages: what a form says, and in whose name.

The database checks what is decided, and keeps the login that decided: here that of the pages. So
each reason begins with the name of the viewer.
"""

from collections.abc import Mapping
from typing import Final

from imagedrift_dashboard.core.page_fault import PageFault
from imagedrift_schemas.text import cleaned

KINDS: Final = (
    "ignore", "snooze", "skip", "accept", "wait", "due_after", "within", "track", "pin",
)  # fmt: skip
FIELDS: Final = ("reference", "kind", "value", "until", "span", "site", "place", "label", "reason")
_NEED_A_REASON: Final = ("ignore", "accept")
MOST_OF_A_NAME: Final = 100
LARGEST_ID: Final = 2**63 - 1


def read_decision(fields: Mapping[str, str], name: str) -> dict[str, object]:
    """Read the values of a decision. Raises `PageFault`."""
    values = {each: fields.get(each, "").strip() for each in FIELDS}
    if not values["reference"] or values["kind"] not in KINDS:
        raise PageFault(400, "the image or the kind is missing", "Use the form of the image.")
    needs_one = values["kind"] in _NEED_A_REASON
    return {**values, "reason": _reason(values["reason"], name, needs_one)}


def read_undoing(fields: Mapping[str, str], name: str) -> dict[str, object]:
    """Read which decision is taken back. Raises `PageFault`."""
    number = fields.get("decision_id", "").strip()
    is_number = number.isascii() and number.isdigit() and len(number) < 20
    if not is_number or int(number) > LARGEST_ID:
        raise PageFault(400, "the id of the decision is no number", "It stands in its row.")
    return {
        "decision_id": int(number),
        "reason": _reason(fields.get("reason", "").strip(), name, False),
    }


def _reason(reason: str, name: str, needs_one: bool) -> str:
    """Write a reason in the name of a viewer; one that is needed and missing stays missing."""
    who = cleaned(name, MOST_OF_A_NAME)
    if not reason:
        return "" if needs_one else who
    return f"{who}: {reason}" if who else reason
