"""Start the agent, or let it look for faults: `imagedrift-agent [doctor]`."""

import sys
from collections.abc import Sequence

from imagedrift_runtime.import_guard import without_collecting

with without_collecting():
    from msgspec.structs import replace

    from imagedrift_agent.settings import AgentSettings
    from imagedrift_agent.wiring import SERVICE, start
    from imagedrift_runtime import process

ABOUT = """Tells what images this host has, when they change.

  imagedrift-agent                       report what the engine of this host has
  imagedrift-agent --source list:FILE    report what a file lists, or compose:FILE
  imagedrift-agent doctor                find out what is wrong, and what to do"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words == ["doctor"]:
        from imagedrift_agent.doctor import main as examine  # noqa: PLC0415 - memory

        return examine()
    source = _taken(words, "--source")

    async def begin(settings: AgentSettings, running: process.Process) -> None:
        await start(replace(settings, source=source or settings.source), running)

    return process.run(
        SERVICE, AgentSettings, begin, about=ABOUT, parts=("engine", "nats"), argv=words
    )


def _taken(words: list[str], option: str) -> str:
    """Take an option and its value out of the words; the rest is the runtime's to read."""
    for index, word in enumerate(words):
        if word.startswith(f"{option}="):
            del words[index]
            return word.partition("=")[2]
        if word == option and words[index + 1 :]:
            _, value = words[index : index + 2]
            del words[index : index + 2]
            return value
    return ""


if __name__ == "__main__":
    sys.exit(main())
