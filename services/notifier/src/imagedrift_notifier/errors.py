"""The errors that keep the notifier from its work for a while."""


class DatabaseUnreachable(Exception):
    """PostgreSQL cannot be reached, or gave up; the message says which."""
