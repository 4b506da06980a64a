"""The statements of the notifier."""

from imagedrift_notifier.statements import statements


def test_no_statement_touches_the_facts() -> None:
    """Statements read views of ops, and write the notifier's own schema alone."""
    assert len(statements()) > 10
    for name, sql in statements().items():
        assert "fleet." not in sql, name
