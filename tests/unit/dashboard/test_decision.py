"""Decisions as a form of the pages says them."""

import pytest

from imagedrift_cli.decide import KINDS as OF_THE_COMMAND
from imagedrift_dashboard.core.decision import KINDS, read_decision, read_undoing
from imagedrift_dashboard.core.page_fault import PageFault

GIVEN = {"reference": "docker.io/library/nginx:1.27", "kind": "snooze", "span": " 14d ", "x": "y"}


def test_a_decision_has_the_fields_of_its_form_in_the_viewer_s_name() -> None:
    """Every field has a value, and the reason begins with who decided."""
    assert read_decision(GIVEN | {"reason": " a patch is late"}, "ada") == {
        "reference": "docker.io/library/nginx:1.27",
        "kind": "snooze",
        "value": "",
        "until": "",
        "span": "14d",
        "site": "",
        "place": "",
        "label": "",
        "reason": "ada: a patch is late",
    }


@pytest.mark.parametrize(
    ("kind", "reason", "name", "kept"),
    [
        ("snooze", "", "ada", "ada"),
        ("snooze", "", "", ""),
        ("snooze", "late", "", "late"),
        ("ignore", "", "ada", ""),
        ("accept", " ", "ada", ""),
        ("accept", "eve: mine", "ada\u202e", "ada\ufffd: eve: mine"),
    ],
)
def test_a_reason_that_is_needed_stays_missing(
    kind: str, reason: str, name: str, kept: str
) -> None:
    """A name is no reason: where one is needed, the database still says so."""
    assert read_decision(GIVEN | {"kind": kind, "reason": reason}, name)["reason"] == kept


@pytest.mark.parametrize("changes", [{"reference": ""}, {"kind": "undo"}, {"kind": ""}])
def test_a_form_without_an_image_or_a_kind_is_refused(changes: dict[str, str]) -> None:
    """A form that is none of the pages is refused before the database is asked."""
    with pytest.raises(PageFault) as refused:
        read_decision(GIVEN | changes, "ada")
    assert refused.value.status == 400


def test_a_decision_is_taken_back_by_its_id() -> None:
    """The id is a number, and the reason begins with who took it back."""
    assert read_undoing({"decision_id": " 3765912162818591121 ", "reason": "no"}, "ada") == {
        "decision_id": 3765912162818591121,
        "reason": "ada: no",
    }


@pytest.mark.parametrize("number", ["", "x", "-1", "1.5", "١", "9" * 19, "1" * 5000])
def test_an_id_that_is_no_number_is_refused(number: str) -> None:
    """A text, or a number that no key has, is no id."""
    with pytest.raises(PageFault):
        read_undoing({"decision_id": number}, "ada")


def test_every_kind_but_undo_can_be_decided() -> None:
    """The kinds are those of the command."""
    assert KINDS == OF_THE_COMMAND
