"""`imagedrift versions` as SQL: its filters and its order."""

from click.testing import CliRunner

from imagedrift_cli.__main__ import main


def test_only_references_with_a_newer_version_are_listed_on_demand() -> None:
    """`--behind` and a text narrow the list down, and most hosts come first."""
    everything = CliRunner().invoke(main, ["versions", "--sql"]).output
    narrowed = CliRunner().invoke(main, ["versions", "nginx", "--behind", "--sql"]).output
    assert "FROM ops.versions" in everything
    assert "WHERE" not in everything
    assert "behind > 0" in narrowed
    assert "'nginx'" in narrowed
    assert narrowed.rstrip().endswith("ORDER BY running_hosts DESC, hosts DESC, reference;")
