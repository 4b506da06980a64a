"""The forms of decisions."""

from imagedrift_dashboard.core.decision import FIELDS, KINDS
from imagedrift_dashboard.markup import layout
from imagedrift_dashboard.markup.decision_forms import decision_forms
from support.pages import ReadPage


def shown(reference: str) -> ReadPage:
    """The forms on a page."""
    return ReadPage(str(layout.document("x", decision_forms(reference, "the-token"))))


def test_the_form_of_an_image_has_every_field_and_kind() -> None:
    """Each field of a decision can be filled in, and has a label of its own."""
    page = shown('a"><b>:1')
    named = [a for _, a in page.elements if "name" in a and a["name"] != "viewport"]

    assert {*FIELDS, "form_token", "decision_id"} <= {a["name"] for a in named}
    assert [a["value"] for tag, a in page.elements if tag == "option"] == list(KINDS)
    assert 'a"><b>:1' in [a.get("value") for a in named]
    labels = {a["for"] for tag, a in page.elements if tag == "label"}
    assert labels == {a["id"] for a in named if a.get("type") != "hidden" and "id" in a}


def test_without_an_image_there_is_the_form_that_takes_back_alone() -> None:
    """The list of decisions has no form to decide about one image."""
    page = shown("")
    assert [a["action"] for tag, a in page.elements if tag == "form"] == ["/undo"]
    assert [a["value"] for _, a in page.elements if a.get("name") == "form_token"] == ["the-token"]
