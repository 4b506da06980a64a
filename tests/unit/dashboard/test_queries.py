"""The statements of the pages."""

from imagedrift_dashboard.queries import statements


def test_a_statement_is_read_by_its_name() -> None:
    """Every statement is a SELECT without a semicolon, under its own name."""
    assert {"fleet", "hosts", "why", "due"} <= set(statements())
    for sql in statements().values():
        assert sql.startswith("SELECT")
        assert ";" not in sql
