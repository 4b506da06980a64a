"""The common part of the tests' own Docker Engine and Podman: their start and their end."""

import os
import shutil
import tempfile
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Self

from imagedrift_sandbox.child_process import ChildProcess, ProgramError
from support.engine_api import Engine
from support.programs import missing, require_program

START_WITHIN_S = 30.0


class OwnEngine(Engine):
    """An engine that the tests start themselves, as root, with data of its own."""

    program: ClassVar[str]
    package: ClassVar[str]

    def __init__(self, home: Path) -> None:
        super().__init__(home / "engine.sock")
        self.home = home
        self.child: ChildProcess | None = None

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[Self]:
        """Run an engine for the length of a `with`; skips where its program is missing."""
        cls.found()
        if os.geteuid() != 0:
            missing(f"root for a {cls.program} of its own", "run the tests as root")
        home = Path(tempfile.mkdtemp(prefix="idrift-"))  # short: a socket's path has 107 bytes
        engine = cls(home)
        try:
            engine.start()
            yield engine
        finally:
            engine.stop_daemon()
            shutil.rmtree(home, ignore_errors=True)

    @classmethod
    def found(cls) -> Path:
        """The path of the program; skips where it is missing."""
        return require_program(cls.program, f"apt-get install {cls.package}")

    def start(self) -> None:
        """Start the program on the data that is there."""
        self.child = self.launch()
        try:
            self.child.wait_until(self.answers, bound_s=START_WITHIN_S)
        except ProgramError as error:
            missing(f"a {self.program} that starts", str(error))

    @abstractmethod
    def launch(self) -> ChildProcess:
        """Start the program, and do not wait for it."""

    def stop_daemon(self) -> None:
        """Stop the program with its containers; the data stays."""
        if self.child:
            if self.answers():
                self.stop_containers()
            self.child.stop(bound_s=20)

    def stop_containers(self) -> None:
        """End what runs, as the program leaves it running."""
        for container in self.call("GET", "/containers/json"):
            self.remove(container["Id"])
