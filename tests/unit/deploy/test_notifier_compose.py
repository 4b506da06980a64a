"""The Compose file of the notifier: no default secret, no unpinned image, no unknown setting."""

import re
from typing import Any

from imagedrift_notifier.core import route_file
from imagedrift_notifier.settings import NotifierSettings
from imagedrift_runtime.settings import describe
from support.deploy import DEPLOY, read_yaml

SERVICES: dict[str, dict[str, Any]] = read_yaml(DEPLOY / "docker-compose.notifier.yml")["services"]


def test_every_password_is_required_and_says_how_to_set_it() -> None:
    """A password is a variable without a default."""
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if "PASSWORD" in variable or "@" in value:
                assert re.search(r"\$\{(\w+):\?set \1 in .env", value), f"{name}: {variable}"


def test_the_service_is_given_all_that_it_requires() -> None:
    """The service gets no variable of ours that it does not read, and each that it requires."""
    known = {name: default for name, default, _ in describe(NotifierSettings)}
    given = {name for name in SERVICES["notifier"]["environment"] if "PROXY" not in name}

    assert given <= known.keys()
    assert {name for name, default in known.items() if default == "required"} <= given


def test_the_notifier_works_with_a_login_of_its_own() -> None:
    """The notifier's login is neither the database's owner nor ingest."""
    url = SERVICES["notifier"]["environment"]["DATABASE_URL"]

    assert url.startswith("postgresql://notifier:")
    assert SERVICES["notifier-login"]["environment"]["PGUSER"] == "imagedrift"


def test_the_shipped_routes_are_right() -> None:
    """The file that is shipped has no route and no fault, with or without its remarks."""
    text = (DEPLOY / "routes" / "routes.toml").read_text(encoding="utf-8")

    assert route_file.parse(text)[1] == []
    lines = [line.removeprefix("# ") for line in text.splitlines()[2:] if line != "#"]
    read, faults = route_file.parse("\n".join(lines))
    assert (faults, [*read.routes]) == ([], ["ops"])
