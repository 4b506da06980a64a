"""Logs: one event per line, named `noun.past_verb`, facts as fields, on stderr.

What libraries log takes the same form. A field whose name says that it is a secret is never
written, however deep it is. A traceback is plain: structlog's own choice, where rich is installed,
shows the values of local variables, passwords among them. What a terminal would act on is escaped,
as events tell what hosts and registries said: JSON does so by itself.

structlog is imported here alone, without what it loads where that is installed and we do not use:
rich, for tracebacks, is 4 MB in an agent that has 40; greenlet is for programs that switch by it.

No loop fills a disk: a line that comes too often (`log_pace`) is counted and not written. The next
line of its event tells the count, as `unwritten`.
"""

import io
import logging
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, TextIO

from imagedrift_runtime.import_guard import hide_module
from imagedrift_runtime.log_pace import TROUBLE, WORK, LogPace, kind_of

with hide_module("rich"), hide_module("greenlet"):
    import structlog

Format = Literal["auto", "console", "json"]

SECRET = ("authorization", "cookie", "password", "secret", "token")
"""Words that make a field's name that of a secret."""
REDACTED = "***"

get_logger = structlog.get_logger
"""Get the logger of a module: `log = get_logger()`."""


def configure(
    service: str,
    form: Format = "auto",
    *,
    least: int = logging.INFO,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Set up logging for the process: console on a terminal, JSON lines elsewhere.

    `least` is the level of the least event that is written.
    """
    pace = LogPace(monotonic)
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact,
    ]
    last: list[structlog.typing.Processor] = (
        [
            escape_texts,
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=_write_traceback
            ),
        ]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[_Paced(pace), *shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(service=service)
    _libraries(pace, shared, last, max(least, logging.WARNING))


def log_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Log a warning of a library, without the line of its code."""
    get_logger().warning("library.warned", warning=str(message))


def redact(_logger: Any, _method: str, event: structlog.typing.EventDict) -> dict[str, Any]:
    """Hide the value of every field whose name says that it is a secret."""
    return {key: _redacted(key, value) for key, value in event.items()}


def escape_texts(_logger: Any, _method: str, event: structlog.typing.EventDict) -> dict[str, Any]:
    """Escape the characters of texts that are not plain: one event is one line."""
    return {
        key: _escaped(value) if isinstance(value, str) else value for key, value in event.items()
    }


class _Paced:
    """Leaves out lines that come too often: a processor of structlog, a filter of `logging`."""

    def __init__(self, pace: LogPace) -> None:
        self._pace = pace

    def __call__(
        self, _logger: Any, level: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        allowance = WORK if level in ("debug", "info") else TROUBLE
        unwritten = self._pace.take(kind_of(event), allowance)
        if unwritten is None:
            raise structlog.DropEvent
        return {**event, "unwritten": unwritten} if unwritten else event

    def filter(self, record: logging.LogRecord) -> bool:
        unwritten = self._pace.take(f"library {record.name}", TROUBLE)
        if unwritten:
            record.unwritten = unwritten
        return unwritten is not None


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _write_traceback(out: TextIO, error: structlog.typing.ExcInfo) -> None:
    """Write a traceback, each line indented: an error of several lines imitates no event."""
    text = io.StringIO()
    structlog.dev.plain_traceback(text, error)
    out.write("\n".join(f"  {_escaped(line)}" for line in text.getvalue().split("\n")))


def _redacted(key: object, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {each: _redacted(each, inner) for each, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_redacted(key, inner) for inner in value]
    is_secret = isinstance(key, str) and any(word in key.lower() for word in SECRET)
    return REDACTED if is_secret and isinstance(value, (str, bytes)) and value else value


def _libraries(
    pace: LogPace,
    shared: list[structlog.typing.Processor],
    last: list[structlog.typing.Processor],
    least: int,
) -> None:
    """Give the same form to the logs of libraries through `logging`, from warnings upwards."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(allow=["unwritten"]),
                *shared,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    handler.addFilter(_Paced(pace))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(least)
