"""Complaints are kept for a while: each once, and none is pushed out by a flood of another."""

from imagedrift_runtime.nats.complaints import KEPT, REPEAT_S, Complaints


def test_a_complaint_is_news_once_and_again_after_a_while() -> None:
    """A client that finds no server repeats itself twice a second."""
    complaints = Complaints()

    news = [complaints.add("refused", at) for at in (0.0, 0.5, 20.0, 20.5 + REPEAT_S)]

    assert news == [True, False, False, True]


def test_complaints_since_a_moment_are_told_each_once() -> None:
    """An older complaint had another reason."""
    complaints = Complaints()
    for at, text in enumerate(["old", "a", "b", "a"]):
        complaints.add(text, at)

    assert complaints.since(1) == "b; a"
    assert complaints.since(4) == ""


def test_a_flood_of_one_complaint_pushes_out_no_other() -> None:
    """A refused permission is still told as the reason, whatever else is heard meanwhile."""
    complaints = Complaints()
    complaints.add("permissions violation", 0)
    for at in range(100):
        complaints.add("headers that cannot be read: left out", at)

    assert "permissions violation" in complaints.since(0)


def test_few_complaints_are_kept() -> None:
    """The oldest give way to any number of new ones."""
    complaints = Complaints()
    for at in range(1000):
        complaints.add(f"complaint {at}", at)

    assert len(complaints.since(0).split("; ")) == KEPT
