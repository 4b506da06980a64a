"""`scan` of a list of images tells what it cannot read of it."""

from pathlib import Path

from support.command_line import error_line, piped


def test_a_scan_of_a_list_that_is_not_there_names_its_setting(tmp_path: Path) -> None:
    """A list that cannot be read is told with the variable that names it, and not with another."""
    source = f"list:{tmp_path}/none.txt"
    line = error_line(piped("", "scan", IMAGEDRIFT_SOURCE=source, HOME=str(tmp_path)), 69)

    assert f"{source} (IMAGEDRIFT_SOURCE)" in line
    assert "DOCKER_HOST" not in line


def test_a_scan_of_a_list_tells_what_it_passes_over(tmp_path: Path) -> None:
    """A scan reports each skipped entry of a list with its place, and counts them."""
    listed = tmp_path / "images.txt"
    listed.write_text(f"docker://sha256:{'0' * 64}\n")

    ended = piped("", "scan", IMAGEDRIFT_SOURCE=f"list:{listed}", HOME=str(tmp_path))

    assert ended.code == 0
    [remark, counted] = ended.err.splitlines()
    assert remark.startswith(f"note: {listed}: line 1: ")
    assert counted == "note: not reported in full: 1 (refused)"
