"""The Compose file, read by Compose itself."""

import subprocess
from pathlib import Path

import pytest

from support.deploy import ROOT
from support.programs import require_program

REQUIRED = ("POSTGRES_PASSWORD", "NATS_AGENT_PASSWORD", "NATS_SERVICE_PASSWORD", "DOCKER_GID")
FILE = ROOT / "docker-compose.yml"


def compose(tmp_path: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Let Compose itself read the file."""
    program = require_program("docker-compose", "apt-get install docker-compose")
    return subprocess.run(
        [program, "--project-directory", ROOT, "--file", FILE, "config"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_compose_reads_the_file(tmp_path: Path) -> None:
    """With its variables set the file is valid, and each address holds its password."""
    made = compose(tmp_path, **dict.fromkeys(REQUIRED, "1234"))
    assert made.returncode == 0, made.stderr
    assert "nats://agent:1234@nats:4222" in made.stdout
    assert """NATS_AGENT_PASSWORD: '"1234"'""" in made.stdout


@pytest.mark.parametrize("name", ["POSTGRES_PASSWORD", "NATS_AGENT_PASSWORD"])
def test_compose_refuses_to_start_without_a_secret(tmp_path: Path, name: str) -> None:
    """A secret that is not set, or is empty, is named, with where to set it."""
    given = dict.fromkeys(REQUIRED, "1234") | {name: ""}
    refused = compose(tmp_path, **given)
    assert refused.returncode != 0
    assert f"set {name} in .env" in refused.stderr
