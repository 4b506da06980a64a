"""How a service's process runs: settings, logs, health, the service, a clean stop.

Exit codes: 0 stopped as asked, 1 a defect or a server that could not be reached, 2 wrong settings.
SIGTERM and SIGINT set `Process.stopping`; the service finishes what it holds and returns. A second
signal, or `STOP_WITHIN_S` without an end, cancels it; so does the first where it has not begun, as
it still waits for a server: it holds nothing then. What does not even heed that, such as a thread
that hangs, is left behind `EXIT_WITHIN_S` later: nothing acknowledged is lost by it.
SIGHUP sets `Process.reload`, which asks a service to read its files again.
"""

import asyncio
import os
import signal
import sys
import threading
import warnings
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Protocol, TypeVar

from imagedrift_runtime import health, logs, metrics, settings, works
from imagedrift_runtime.clock import Clock, SystemClock
from imagedrift_runtime.logs import get_logger
from imagedrift_runtime.nats.errors import BusError

STOP_WITHIN_S = 20.0
EXIT_WITHIN_S = 5.0

log = get_logger()


class Common(Protocol):
    """The settings that every service has."""

    @property
    def metrics_port(self) -> int:
        """Where health and metrics are served; 0 is nowhere."""

    @property
    def metrics_address(self) -> str:
        """On which address."""

    @property
    def log(self) -> logs.Format:
        """How logs are written."""


class NoPort(Exception):
    """An address to serve on cannot be had; the message names the variable."""


C = TypeVar("C", bound=Common)
Start = Callable[[C, "Process"], Awaitable[None]]


class Process:
    """The process of a running service: its health, whether it shall stop or reload."""

    def __init__(self, parts: tuple[str, ...], clock: Clock) -> None:
        self.stopping = asyncio.Event()
        self.reload = asyncio.Event()
        self.health = health.Health(parts)
        self.works = works.Works(self.health, clock)


def run(
    service: str,
    kind: type[C],
    start: Callable[[C, Process], Awaitable[None]],
    *,
    about: str,
    parts: tuple[str, ...] = (),
    argv: list[str] | None = None,
) -> int:
    """Run `start` as the service `service` until it returns; the exit code."""
    if words := sys.argv[1:] if argv is None else argv:
        _read_words(words, service, kind, about)
    try:
        values = settings.load(kind)  # type: ignore[type-var]  # a Struct by convention
    except settings.SettingsFault as fault:
        return _refuse(service, fault)
    logs.configure(service, values.log)
    warnings.showwarning = logs.log_warning
    return asyncio.run(_main(service, values, start, parts))


async def _main(service: str, values: C, start: Start[C], parts: tuple[str, ...]) -> int:
    process = Process(parts, SystemClock())
    if not values.metrics_port:
        return await _outcome(service, values, start, process)
    from imagedrift_runtime import health_server  # noqa: PLC0415 - memory

    metrics.enable()
    metrics.build.set(1, service=service, version=version(service))
    try:
        async with health_server.serve(process.health, values.metrics_port, values.metrics_address):
            return await _outcome(service, values, start, process)
    except OSError as error:
        where = f"{values.metrics_address}:{values.metrics_port}"
        log.error("service.failed", error=f"IMAGEDRIFT_METRICS_PORT: {where}: {error.strerror}")
        return 1


async def _outcome(service: str, values: C, start: Start[C], process: Process) -> int:
    """Run the service to its end and return the exit code."""
    task = asyncio.ensure_future(start(values, process))
    _stop_on_signals(process, task)
    log.info("service.started", version=version(service))
    try:
        await task
    except asyncio.CancelledError:
        if process.health.has_begun:
            log.warning("service.cancelled")
            return 1
    except settings.SettingsFault as fault:  # one that only the start could find
        return _refuse(service, fault)
    except (BusError, NoPort) as error:
        log.error("service.failed", error=str(error))
        return 1
    except Exception:
        log.exception("service.failed")
        return 1
    log.info("service.stopped")
    return 0


def _refuse(service: str, fault: settings.SettingsFault) -> int:
    lines = "\n".join(f"  {line}" for line in fault.faults)
    print(f"{service}: the settings are wrong:\n{lines}", file=sys.stderr)  # noqa: T201
    return 2


def _stop_on_signals(process: Process, task: "asyncio.Future[None]") -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if process.stopping.is_set() or not process.health.has_begun:
            task.cancel()
            _leave_within(EXIT_WITHIN_S)
            return
        process.stopping.set()
        loop.call_later(STOP_WITHIN_S, task.cancel)
        _leave_within(STOP_WITHIN_S + EXIT_WITHIN_S)

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop)
    loop.add_signal_handler(signal.SIGHUP, process.reload.set)


def _leave_within(seconds: float) -> None:
    """End the process then in any case: a hanging thread would hold up the interpreter's end."""
    timer = threading.Timer(seconds, os._exit, args=(1,))
    timer.daemon = True
    timer.start()


def _read_words(words: list[str], service: str, kind: type[C], about: str) -> None:
    """Give help, or the version, and exit; refuse any other word."""
    import argparse  # noqa: PLC0415 - a service starts without words

    rows = settings.describe(kind)  # type: ignore[arg-type]  # a Struct by convention
    listed = "\n".join(
        f"  {name}\n      {text} (default: {default})" for name, default, text in rows
    )
    parser = argparse.ArgumentParser(
        prog=service,
        description=about,
        epilog=f"environment variables:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"{service} {version(service)}")
    parser.parse_args(words)
