"""The resolver's settings: wrong ones are told all at once, with exit code 2 and no traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(sys.executable).parent / "imagedrift-resolver"


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the console script to its end."""
    return subprocess.run(
        [SCRIPT, *arguments],
        env={"PATH": os.defpath, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_help_lists_every_variable() -> None:
    """`--help` lists every variable with its default."""
    told = run("--help")
    assert told.returncode == 0
    for variable in (
        "NATS_URL",
        "NATS_CREDS",
        "NATS_CA",
        "DOCKER_CONFIG",
        "DOCKER_AUTH_CONFIG",
        "DOCKER_AUTH_CONFIG_FILE",
        "REGISTRY_AUTH_FILE",
        "XDG_RUNTIME_DIR",
        "XDG_CONFIG_HOME",
        "IMAGEDRIFT_REGISTRIES",
        "IMAGEDRIFT_METRICS_PORT",
        "IMAGEDRIFT_LOG",
        "IMAGEDRIFT_WEBHOOK_PORT",
        "IMAGEDRIFT_WEBHOOK_SECRET",
    ):
        assert variable in told.stdout


def test_every_wrong_variable_is_named_at_once() -> None:
    """One start shows all that is wrong."""
    told = run(IMAGEDRIFT_WEBHOOK_PORT="x", IMAGEDRIFT_METRICS_PORT="99999", IMAGEDRIFT_LOG="loud")
    assert told.returncode == 2
    for variable in ("IMAGEDRIFT_WEBHOOK_PORT", "IMAGEDRIFT_METRICS_PORT", "IMAGEDRIFT_LOG"):
        assert variable in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('policy = "maybe"\n', ':1: policy: write "allow" or "deny"'),
        ('[registry."a.b"]\nschem = "http"\n', ":2: registry.a.b.schem: unknown key"),
        ('[registry."a.b"]\npassword = "hunter2"\n', ":2: registry.a.b.password: a secret"),
        ('[registry."a.b"]\nca = "/no/such/file.pem"\n', "registry.a.b.ca: /no/such/file.pem"),
        ('[registry."a.b"]\nendpoint = "x:0"\n', "registry.a.b.endpoint"),
        ('[registry."a.b/x"]\nscheme = "http"\n', ":2: registry.a.b/x.scheme: a path has none"),
        ('[registry."a.b/x"]\npassword = "hunter2"\n', ":2: registry.a.b/x.password: a secret"),
    ],
)
def test_a_wrong_registries_toml_names_key_and_line(tmp_path: Path, text: str, words: str) -> None:
    """Before anything is asked, and without repeating a secret."""
    (tmp_path / "registries.toml").write_text(text)
    told = run(IMAGEDRIFT_REGISTRIES=str(tmp_path / "registries.toml"))
    assert told.returncode == 2, told.stderr
    assert words in told.stderr
    assert "Traceback" not in told.stderr
    assert "hunter2" not in told.stderr


def test_faults_of_files_and_of_what_belongs_together_are_told_at_once(tmp_path: Path) -> None:
    """The file of registries, its certificates, and the secret that a port needs."""
    (tmp_path / "r.toml").write_text('[registry."a.b"]\nca = "/no/such/file.pem"\n')
    told = run(IMAGEDRIFT_REGISTRIES=str(tmp_path / "r.toml"), IMAGEDRIFT_WEBHOOK_PORT="8080")
    assert told.returncode == 2
    assert "registry.a.b.ca: /no/such/file.pem" in told.stderr
    assert "IMAGEDRIFT_WEBHOOK_SECRET" in told.stderr


def test_a_registries_file_that_is_not_there_is_named_by_its_variable() -> None:
    """Together with any other wrong variable."""
    told = run(IMAGEDRIFT_REGISTRIES="/etc/no-such-r.toml", IMAGEDRIFT_LOG="loud")
    assert told.returncode == 2
    assert "IMAGEDRIFT_REGISTRIES: '/etc/no-such-r.toml' cannot be read" in told.stderr
    assert "IMAGEDRIFT_LOG" in told.stderr


def test_a_webhook_without_a_secret_is_refused() -> None:
    """The registries alone may make us ask."""
    told = run(IMAGEDRIFT_WEBHOOK_PORT="8080", IMAGEDRIFT_WEBHOOK_SECRET="short")
    assert told.returncode == 2
    assert "IMAGEDRIFT_WEBHOOK_SECRET" in told.stderr
    assert "short" not in told.stderr
