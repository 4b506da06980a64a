"""`imagedrift bench queries` runs, and checks each answer against the rows that were written."""

from support.benchmark import run


def test_every_query_of_an_operator_is_timed() -> None:
    """Each figure but the size of the fleet is in milliseconds."""
    figures = run("queries", "--hosts", "300", "--images", "5")
    assert (figures.pop("hosts"), figures.pop("images")) == (300, 5)
    assert {"outdated_on_host", "worst_hosts", "places"} <= figures.keys()
    assert all(milliseconds > 0 for milliseconds in figures.values())
