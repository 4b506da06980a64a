"""The commands that prepare servers: wrong settings are told before anything is changed."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from imagedrift_cli.__main__ import main


@pytest.mark.parametrize("name", ["Fleet", "1fleet", "a-b", "x" * 41, "a;DROP"])
def test_a_name_that_is_no_roles_is_refused(name: str) -> None:
    """A name that is no role's would stand in statements."""
    result = CliRunner().invoke(main, ["migrate", "--roles", name])

    assert result.exit_code == 64
    assert "lower-case letters" in result.output


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("IMAGEDRIFT_STREAM_MIB", "DRIFT_INVENTORY=0", "IMAGEDRIFT_STREAM_MIB"),
        ("IMAGEDRIFT_STREAM_MIB", "DRIFT_OTHER=5", "IMAGEDRIFT_STREAM_MIB"),
        ("IMAGEDRIFT_REGISTRIES", "/usr/no/registries.toml", "/usr/no/registries.toml"),
    ],
)
def test_a_wrong_setting_of_streams_is_told_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, told: str
) -> None:
    """NATS is not even looked for."""
    monkeypatch.setenv("NATS_URL", "nats://127.0.0.1:1")
    monkeypatch.setenv(variable, value)

    result = CliRunner().invoke(main, ["streams"])

    assert result.exit_code == 64
    assert told in result.output


def test_a_file_that_is_not_there_is_told_beside_other_faults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One start tells both that the file is missing and that another variable is wrong."""
    monkeypatch.setenv("IMAGEDRIFT_REGISTRIES", "/usr/no/registries.toml")
    monkeypatch.setenv("IMAGEDRIFT_STREAM_MIB", "DRIFT_OTHER=5")

    told = CliRunner().invoke(main, ["streams"]).output

    assert "IMAGEDRIFT_REGISTRIES: '/usr/no/registries.toml' cannot be read" in told
    assert "IMAGEDRIFT_STREAM_MIB: 'DRIFT_OTHER' is not one of its values" in told


def test_a_file_that_is_wrong_is_told_by_its_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As a service does at its start."""
    file = tmp_path / "registries.toml"
    file.write_text('[registry."r.example"]\nschema = "http"\n')
    monkeypatch.setenv("NATS_URL", "nats://127.0.0.1:1")
    monkeypatch.setenv("IMAGEDRIFT_REGISTRIES", str(file))

    result = CliRunner().invoke(main, ["streams"])

    assert result.exit_code == 64
    assert f"{file}:2: " in result.output
    assert "schema" in result.output
