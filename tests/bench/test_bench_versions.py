"""`imagedrift bench versions` runs on the whole system, and checks its own result."""

from support.benchmark import run


def test_what_is_newer_is_found_by_one_list_of_each_repository() -> None:
    """Every pinned tag is told its newest patch, minor and major, and nothing that is not newer."""
    figures = run("versions", "--repositories", "5", "--tags", "100")
    assert (figures["list_requests"], figures["references"]) == (5, 15)
    assert figures["wrong"] == 0
    assert 0 < figures["bytes_kept_per_repository_max"] <= 32 * 1024
