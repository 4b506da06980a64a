"""The Compose file, read by Compose itself."""

import subprocess
from pathlib import Path

import pytest
import yaml

from support.deploy import ROOT
from support.programs import require_program

REQUIRED = (
    "POSTGRES_PASSWORD",
    "INGEST_DATABASE_PASSWORD",
    "OPERATOR_DATABASE_PASSWORD",
    "NOTIFIER_DATABASE_PASSWORD",
    "NATS_AGENT_PASSWORD",
    "NATS_SERVICE_PASSWORD",
    "DOCKER_GID",
    "IMAGEDRIFT_HOST_ID",
)
GRAFANA = ("GRAFANA_PASSWORD", "GRAFANA_DATABASE_PASSWORD")
FILE = ROOT / "docker-compose.yml"
HOSTS = ROOT / "deploy" / "docker-compose.hosts.yml"
DASHBOARDS = ROOT / "deploy" / "docker-compose.dashboards.yml"
SECRETS = ROOT / "deploy" / "docker-compose.secrets.yml"
ADDRESSES = ("NATS_URL", "DATABASE_URL")


def compose(
    tmp_path: Path, environment: dict[str, str], *more: Path
) -> "subprocess.CompletedProcess[str]":
    """Let Compose itself read the file."""
    files = [word for file in (FILE, *more) for word in ("--file", file)]
    program = require_program("docker-compose", "apt-get install docker-compose")
    return subprocess.run(
        [program, "--project-directory", ROOT, *files, "config"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_compose_reads_the_file(tmp_path: Path) -> None:
    """With its variables set the file is valid, and each address holds its password."""
    made = compose(tmp_path, dict.fromkeys(REQUIRED, "1234"))
    assert made.returncode == 0, made.stderr
    assert "nats://agent:1234@nats:4222" in made.stdout
    assert """NATS_AGENT_PASSWORD: '"1234"'""" in made.stdout


@pytest.mark.parametrize(
    "name", ["POSTGRES_PASSWORD", "NOTIFIER_DATABASE_PASSWORD", "NATS_AGENT_PASSWORD"]
)
def test_compose_refuses_to_start_without_a_secret(tmp_path: Path, name: str) -> None:
    """A secret that is not set, or is empty, is named, with where to set it."""
    given = dict.fromkeys(REQUIRED, "1234") | {name: ""}
    refused = compose(tmp_path, given)
    assert refused.returncode != 0
    assert f"set {name} in .env" in refused.stderr


def test_compose_reads_the_file_of_other_hosts_beside_it(tmp_path: Path) -> None:
    """NATS listens with TLS on the address that was named, and every service speaks TLS to it."""
    given = dict.fromkeys(REQUIRED, "1234") | {"NATS_LISTEN": "192.0.2.10"}
    made = compose(tmp_path, given, HOSTS)
    assert made.returncode == 0, made.stderr
    services = yaml.safe_load(made.stdout)["services"]

    assert "192.0.2.10" in str(services["nats"]["ports"])
    assert services["nats"]["command"] == ["nats-server", "--config", "/etc/nats/tls.conf"]
    of_nats = {name: each["environment"].get("NATS_URL") for name, each in services.items()
               if "NATS_URL" in each.get("environment", {})}  # fmt: skip
    assert set(of_nats) == {"agent", "dashboard", "ingest", "notifier", "resolver", "streams"}
    assert {url.partition(":")[0] for url in of_nats.values()} == {"tls"}
    for name in of_nats:
        assert f"{ROOT}/deploy/tls/ca.crt" in str(services[name]["volumes"])


def test_compose_refuses_to_listen_on_every_address(tmp_path: Path) -> None:
    """Which address other hosts reach is asked for, and named where it is missing."""
    refused = compose(tmp_path, dict.fromkeys(REQUIRED, "1234"), HOSTS)
    assert refused.returncode != 0
    assert "set NATS_LISTEN in .env" in refused.stderr


def test_compose_reads_the_dashboards_beside_it(tmp_path: Path) -> None:
    """The second file adds to the first, and its paths are those of the repository."""
    made = compose(tmp_path, dict.fromkeys((*REQUIRED, *GRAFANA), "1234"), DASHBOARDS)
    assert made.returncode == 0, made.stderr
    assert f"{ROOT}/deploy/grafana/reader.sql:/reader.sql:ro" in made.stdout
    assert "imagedrift-ingest:local" in made.stdout


def commands_of_the_page() -> str:
    """Read the commands that write passwords into files."""
    page = (ROOT / "docs" / "deployment.md").read_text()
    section = page.partition("- **Passwords in files**")[2]
    block = section.partition("```sh\n")[2].partition("```")[0]
    return "\n".join(line for line in block.splitlines() if "docker compose" not in line)


@pytest.mark.parametrize("more", [(SECRETS,), (HOSTS, SECRETS)], ids=["alone", "with other hosts"])
def test_compose_gives_our_programs_no_password_but_in_files(
    tmp_path: Path, more: tuple[Path, ...]
) -> None:
    """With the file of secrets each address that a program of ours reads is in a file."""
    given = {name: f"secret{number}" for number, name in enumerate(REQUIRED)}
    plain = yaml.safe_load(compose(tmp_path, given).stdout)["services"]
    made = compose(tmp_path, given | {"NATS_LISTEN": "192.0.2.10"}, *more)
    assert made.returncode == 0, made.stderr
    services = yaml.safe_load(made.stdout)["services"]
    ours = {name for name, each in plain.items() if ":local" in each["image"]}
    for name in ours:
        told = services[name]["environment"]
        assert "secret" not in "".join(
            str(told[address]) for address in ADDRESSES if address in told
        )
        addresses = [each for each in ADDRESSES if each in plain[name]["environment"]]
        files = {told[f"{each}_FILE"].removeprefix("/run/secrets/") for each in addresses}
        assert files == {each["source"] for each in services[name]["secrets"]}, name


def test_the_files_of_secrets_are_written_by_the_page_s_commands(tmp_path: Path) -> None:
    """The page's commands write the addresses that the programs have without the files."""
    given = {name: f"secret{number}" for number, name in enumerate(REQUIRED)}
    (tmp_path / ".env").write_text("".join(f"{name}={each}\n" for name, each in given.items()))
    (tmp_path / "deploy").mkdir()
    subprocess.run(["/bin/sh", "-ec", commands_of_the_page()], cwd=tmp_path, check=True)

    plain = yaml.safe_load(compose(tmp_path, given).stdout)["services"]
    kept = yaml.safe_load(SECRETS.read_text())
    folder = tmp_path / "deploy" / "secrets"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {each.name for each in folder.iterdir()} == set(kept["secrets"])
    for name, each in kept["services"].items():
        for address in set(ADDRESSES) & set(each["environment"]):
            file = Path(each["environment"][f"{address}_FILE"]).name
            assert (folder / file).read_text().strip() == plain[name]["environment"][address]
            assert (folder / file).stat().st_mode & 0o444 == 0o444
