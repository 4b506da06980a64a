"""The shell completes commands and options."""

from support.command_line import piped


def test_completion_is_a_script_that_names_commands() -> None:
    """The completion script offers commands and options."""
    assert "_IMAGEDRIFT_COMPLETE" in piped("", "completion", "bash").out
    asking = {"_IMAGEDRIFT_COMPLETE": "bash_complete", "COMP_CWORD": "1"}
    assert piped("", COMP_WORDS="imagedrift outd", **asking).out.split(",")[-1] == "outdated\n"
