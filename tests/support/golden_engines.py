"""Responses of engines, committed as files: recorded where the engine runs, else written by hand.

A file is one JSON object: `about` says where it is from, `answers` holds bodies by path without
the API version, `census` what must be made of them. Record again after a change of the scenario:

    PYTHONPATH=tests python -m support.golden_engines docker|podman
"""

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from support.engine import DockerEngine, DockerRegistry
from support.engine_api import Engine
from support.podman import PodmanEngine

FOLDER = Path(__file__).parent.parent / "contract/agent/golden"
# What tells about the machine of the recording, and nothing about images.
_KEPT = {
    "/info": {
        "Name",
        "Labels",
        "Driver",
        "DriverStatus",
        "ServerVersion",
        "OSType",
        "Architecture",
    },
    "image": {
        *("Id", "RepoTags", "RepoDigests", "Created", "Size", "Os", "Architecture", "Variant"),
        *("Config", "Metadata", "RootFS", "Descriptor", "Manifests", "Identity", "Comment"),
    },
    "container": {"Id", "Name", "Created", "Image", "Config", "State"},
}


def golden_files() -> list[Path]:
    """Every committed file."""
    return sorted(FOLDER.glob("*.json"))


def scenario(engine: Engine, registry: str) -> None:
    """Bring about, on a real engine, every case that it can be brought to."""
    app = f"{registry}/team/app"
    engine.build(f"{app}:1", "one")
    engine.push(f"{app}:1")
    engine.run(f"{app}:1", "moved", {"com.docker.compose.project": "shop"})
    engine.build(f"{app}:1", "two")
    digest = engine.push(f"{app}:1")
    compose = {"com.docker.compose.project": "shop", "com.docker.compose.service": "web"}
    engine.run(f"{app}:1", "shop-web-1", compose)
    engine.run(f"{app}:1", "opted-out", {"imagedrift.ignore": "true"})
    engine.run(f"{app}@{digest}", "pinned")
    engine.build("built-here:dev", "three", {"org.example": "label"})
    engine.tag("built-here:dev", f"{registry}/team/second-name:1")
    engine.build("opted-out:1", "four", {"imagedrift.ignore": "true"})
    engine.run(engine.image_id("built-here:dev"), "by-id")
    engine.stop("by-id")


def record(engine: Engine) -> dict[str, Any]:
    """Read everything that an agent could ask for."""
    answers: dict[str, Any] = {"/version": engine.call("GET", "/version")}
    answers["/info"] = _only("/info", engine.call("GET", "/info"))
    answers["/images/json"] = engine.call("GET", "/images/json")
    answers["/containers/json"] = engine.call("GET", "/containers/json?all=1")
    for image in answers["/images/json"]:
        path = f"/images/{image['Id']}/json"
        answers[path] = _only("image", engine.call("GET", path))
    for container in answers["/containers/json"]:
        path = f"/containers/{container['Id']}/json"
        answers[path] = _only("container", engine.call("GET", path))
    return answers


def _only(kind: str, document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key in _KEPT[kind]}


def main(kind: str) -> None:
    """Record one engine; what must be made of it is kept, to be looked at with the change."""
    with ExitStack() as stack:
        registry = stack.enter_context(DockerRegistry.started())
        started = {"docker": DockerEngine.started, "podman": PodmanEngine.started}[kind]
        engine = stack.enter_context(started())
        scenario(engine, registry.host)
        answers = record(engine)
        version = answers["/version"]["Version"].partition("+")[0]
        path = FOLDER / f"{kind}-{version}.json"
        about = f"Recorded from {kind} {version}; fields about the machine left out."
        old = json.loads(path.read_text()) if path.exists() else {}
        document = {"about": about, "answers": answers, "census": old.get("census", [])}
        path.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
