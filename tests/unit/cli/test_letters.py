"""Refused messages, as a statement."""

from support.statements import statement


def test_letters_are_filtered_by_the_host_in_their_subject() -> None:
    """Filters of hosts choose the inventories of these hosts."""
    told = statement("dead-letters", "--site", "fra1")

    assert "split_part(subject, '.', 4) = ANY (ARRAY['fra1']::text[])" in told
    placed = statement("dead-letters", "--place", "dc1")
    assert "(split_part(subject, '.', 4), split_part(subject, '.', 5)) IN" in placed
    assert "'fra1'" in told


def test_a_text_is_looked_for_in_what_a_letter_tells() -> None:
    """The subject, the service, the reason and the error."""
    told = statement("dead-letters", "web-1")

    for column in ("subject", "service", "reason", "error"):
        assert f"strpos(lower({column})" in told


def test_one_letter_is_shown_by_its_name() -> None:
    """With its message, which a list leaves out."""
    assert "'7-a'" in statement("dead-letters", "--show", "7-a")
