"""Files in place of an engine: `list:FILE` and `compose:FILE`.

A file makes no events: it is read once per interval.
"""

import asyncio
import platform
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from imagedrift_agent.core import image_files
from imagedrift_agent.core.inventory import ImageList
from imagedrift_agent.core.records import Event
from imagedrift_agent.core.snapshot import Snapshot, SourceFault
from imagedrift_runtime.logs import get_logger

log = get_logger()

MAX_FILE = 4 * 1024 * 1024


Remark = Callable[[Path, str], None]


def _log_remark(path: Path, reason: str) -> None:
    log.warning("entry.refused", path=str(path), reason=reason)


class ImageFile:
    """A source that is a file. `remark` is told which entries are passed over, and why."""

    def __init__(self, kind: str, path: Path, remark: Remark | None = None) -> None:
        self._kind = kind
        self._path = path
        self._remark = remark or _log_remark
        self._read = _KINDS[kind]
        self._remarks: tuple[str, ...] = ()

    async def take(self) -> Snapshot:
        """Read the file. Raises `SourceFault`."""
        try:
            found = self._read(self._path)
        except (OSError, UnicodeDecodeError) as error:
            raise SourceFault(f"{self._path}: {error}") from error
        if found.remarks != self._remarks:
            self._remarks = found.remarks
            for remark in found.remarks:
                self._remark(self._path, remark)
        image_list = ImageList(
            found.images, {"refused": len(found.remarks)} if found.remarks else {}
        )
        return Snapshot(image_list=image_list, engine=self._kind, arch=_architecture())

    async def changes(self) -> AsyncIterator[Event | None]:
        """Say that the file is there to be read, and nothing more."""
        yield None
        await asyncio.Event().wait()


def _list(path: Path) -> image_files.FileImages:
    return image_files.read_list(_text(path))


def _compose(path: Path) -> image_files.FileImages:
    env = path.parent / ".env"
    variables = image_files.read_variables(_text(env)) if env.exists() else {}
    return image_files.read_compose(_yaml(path), variables, path.resolve().parent.name)


_KINDS: dict[str, Callable[[Path], image_files.FileImages]] = {"list": _list, "compose": _compose}
KINDS = tuple(_KINDS)


def _yaml(path: Path) -> Any:
    import yaml  # noqa: PLC0415 - only this source needs it, and it costs 2 MB

    try:
        return yaml.safe_load(_text(path))
    except (yaml.YAMLError, RecursionError) as error:
        raise SourceFault(f"{path}: {str(error) or 'nested too deeply'}") from error


def _text(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(MAX_FILE + 1)
    if len(content) > MAX_FILE:
        raise SourceFault(f"{path}: more than {MAX_FILE} bytes")
    return content.decode()


def _architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
