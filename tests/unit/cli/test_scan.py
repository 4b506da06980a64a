"""The verdicts and the questions of `imagedrift scan`."""

from imagedrift_cli.scan import exit_code


def test_the_exit_code_says_the_worst_that_was_found() -> None:
    """The exit code is outdated, then unknown, then missing."""
    assert exit_code(["current", "local", "pinned"]) == 0
    assert exit_code(["missing", "current"]) == 3
    assert exit_code(["missing", "unknown"]) == 2
    assert exit_code(["missing", "unknown", "outdated"]) == 1
    assert exit_code([]) == 0
