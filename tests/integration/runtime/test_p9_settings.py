"""P9 for configuration: a service reports all faults of its settings at once."""

import subprocess
from pathlib import Path

import pytest

from imagedrift_sandbox.processes import BASE_ENVIRONMENT, console_script

SHARED = {
    "IMAGEDRIFT_METRICS_PORT": "99999",
    "IMAGEDRIFT_LOG": "xml",
    "NATS_URL": ",",
    "NATS_CREDS": "/does/not/exist",
    "NATS_CA": "/does/not/exist",
}
WRONG = {
    "imagedrift-agent": {"IMAGEDRIFT_SITE": "Rack 7", "IMAGEDRIFT_LABELS": "env"},
    "imagedrift-resolver": {"IMAGEDRIFT_METRICS_PORT": "none"},
    "imagedrift-ingest": {"IMAGEDRIFT_FRESHNESS": "soon", "DATABASE_URL": " "},
}


def run_service(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a service to its end."""
    return subprocess.run(
        [console_script(script)],
        env=BASE_ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@pytest.mark.parametrize("script", WRONG)
def test_p9_wrong_settings_are_told_all_at_once(script: str) -> None:
    """A service with several wrong variables names each once, and exits with 2."""
    wrong = SHARED | WRONG[script]

    result = run_service(script, **wrong)

    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    headline, *faults = result.stderr.splitlines()
    assert headline == f"{script}: the settings are wrong:"
    assert sorted(line.split(":")[0].strip() for line in faults) == sorted(wrong)


@pytest.mark.parametrize("script", ["imagedrift-resolver", "imagedrift-ingest"])
def test_p9_a_wrong_registries_file_is_told_with_its_lines(script: str, tmp_path: Path) -> None:
    """A service names the file and line of each fault of registries.toml, and repeats no secret."""
    file = tmp_path / "registries.toml"
    file.write_text(
        'policy = "maybe"\n[registry."r.example.org"]\nscheme = "ftp"\npassword = "hunter2"\n'
    )

    result = run_service(
        script,
        IMAGEDRIFT_REGISTRIES=str(file),
        DATABASE_URL="postgresql://nobody@127.0.0.1:9/none",
    )

    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    for line in (1, 3, 4):
        assert f"{file}:{line}: " in result.stderr
    assert "hunter2" not in result.stderr
