"""An engine whose single objects fail in every way."""

from typing import Any

from imagedrift_agent.adapters.engine import Engine
from imagedrift_agent.adapters.engine_limits import EngineLimits
from imagedrift_agent.core.address import EngineAddress
from imagedrift_sandbox.engine import ScriptedEngine


def source_on(engine: ScriptedEngine, **limits: Any) -> Engine:
    """The adapter, impatient."""
    return Engine(
        lambda: EngineAddress(path=str(engine.path)), EngineLimits(answer_within_s=0.5, **limits)
    )


def add_container(engine: ScriptedEngine, number: int, answer: Any) -> None:
    """Add a container of which the list shows only its image's id."""
    image = engine.answers["/images/json"][0]["Id"]
    name = f"{number:063x}e"
    engine.answers["/containers/json"].append({"Id": name, "Image": image, "ImageID": image})
    engine.answers[f"/containers/{name}/json"] = answer
