"""How the whole command ends: what went wrong becomes one line and an exit code.

Rules:
- A wrong argument is one line: the command, what is wrong, and the nearest right one.
- Remarks that cannot be written are lost: an exit code stays what it is.
- A reader that closes its end of a pipe has what it wanted: nothing is said, and all is well.
- What is left is a defect: its traceback is for whoever mends it.
"""

import errno
import io
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TextIO

import click
from click.exceptions import BadParameter, NoArgsIsHelpError, NoSuchOption, UsageError

from imagedrift_cli.exits import Exit
from imagedrift_cli.failures import nearest, suggestion
from imagedrift_cli.lazy import LazyGroup


class RootGroup(LazyGroup):
    """The outermost group."""

    def main(self, *arguments: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run a command to its end, which is an exit code."""
        run: Any = super().main
        if not standalone_mode:
            return run(*arguments, standalone_mode=False, **extra)
        _open_what_is_closed()
        _let_remarks_be_lost()
        _replace_what_the_locale_lacks()
        _hear_other_ends()
        warnings.showwarning = lambda message, *_, **__: _remark(message)
        output = sys.stdout
        try:
            result = run(*arguments, standalone_mode=False, **extra)
            sys.stdout.flush()
        except NoArgsIsHelpError as error:
            _end(error.format_message(), Exit.USAGE)
        except UsageError as error:
            _end(usage_line(error, self._called(extra.get("args") or sys.argv[1:])), Exit.USAGE)
        except click.ClickException as error:
            _end(f"Error: {error.format_message()}", error.exit_code)
        except (click.Abort, KeyboardInterrupt):
            _end("", Exit.INTERRUPTED)
        except (BrokenPipeError, SystemExit) as error:
            # Click puts another stream in the place of one that nobody reads, and ends with 1.
            if isinstance(error, SystemExit) and sys.stdout is output:
                raise
            _close(output)
            sys.exit(Exit.ANSWERED)
        except OSError as error:
            _end_unavailable(error, output)
        except Exception as error:
            _end_on_wrong_input(error)
            traceback.print_exc()
            _end("Error: this is a defect of imagedrift: please report it", Exit.DEFECT)
        sys.exit(result if isinstance(result, int) else Exit.ANSWERED)

    def _called(self, words: Sequence[str]) -> str:
        """Name the command that was called, for an error that does not know it."""
        return f"imagedrift {words[0]}" if words and words[0] in self.table else "imagedrift"


def _open_what_is_closed() -> None:
    """Let no file or socket take the number of a standard stream that is closed."""
    has_output = sys.stdout is not None
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - as long as the process
    if not has_output:
        _end("Error: standard output is closed", Exit.UNAVAILABLE)


class _Lossy(io.FileIO):
    """A stream that loses texts which cannot be written."""

    def write(self, data: Any) -> int:
        """Write, or lose it."""
        with suppress(OSError):
            return super().write(data) or 0
        return len(data)


def _let_remarks_be_lost() -> None:
    """Let a standard error that is full, or that nobody reads, change no answer and no exit code.

    Its own failure would end the command with 1, which says that something is outdated.
    """
    told = sys.stderr
    if isinstance(told, io.TextIOWrapper) and told is sys.__stderr__:
        raw = _Lossy(told.fileno(), "w", closefd=False)
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(raw), encoding=told.encoding, line_buffering=True
        )


def _hear_other_ends() -> None:
    """Let SIGTERM, and the end of the terminal, act as Ctrl-C does at that moment.

    A job in a shell's background is deaf to Ctrl-C, and has to hear SIGTERM all the same.
    """

    def hear(_number: int, frame: FrameType | None) -> None:
        by_ctrl_c = signal.getsignal(signal.SIGINT)
        heard = by_ctrl_c if callable(by_ctrl_c) else signal.default_int_handler
        heard(signal.SIGINT, frame)

    with suppress(ValueError):  # in a thread, as in tests: there signals are somebody else's
        signal.signal(signal.SIGTERM, hear)
        if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # else it is to outlive its terminal
            signal.signal(signal.SIGHUP, hear)


def _replace_what_the_locale_lacks() -> None:
    """Let no character of a host end a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _remark(message: Warning | str) -> None:
    """Write a library's warning, as of a password file, without its lines of code."""
    click.echo(f"note: {' '.join(str(message).split())}", err=True)


def usage_line(error: UsageError, called: str) -> str:
    """Name in one line the command that was called wrongly, the fault, and the right form."""
    where = error.ctx.command_path if error.ctx else called
    path = " ".join(["imagedrift", *where.split()[1:]])
    wrong = _wrong(error)
    told = suggestion(nearest(_typed(error), _choices(error)))
    if not told and "did you mean" not in wrong:
        told = f"see {path} --help"
    return f"Error: {path}: {wrong}" + (f"; {told}" if told else "")


def _wrong(error: UsageError) -> str:
    if isinstance(error, NoSuchOption):
        return f"no such option: {error.option_name}"
    text = " ".join(error.format_message().split()).rstrip(".")
    return text[:1].lower() + text[1:]


def _typed(error: UsageError) -> str:
    """Return the typed text, where it has to be one of several."""
    if isinstance(error, NoSuchOption):
        return error.option_name
    return error.message.partition("'")[2].partition("'")[0]


def _choices(error: UsageError) -> list[str]:
    if isinstance(error, NoSuchOption) and error.ctx:
        return [name for each in error.ctx.command.params for name in each.opts if name[0] == "-"]
    if (
        isinstance(error, BadParameter)
        and error.param
        and isinstance(error.param.type, click.Choice)
    ):
        return [str(each) for each in error.param.type.choices]
    return []


def _end_on_wrong_input(error: Exception) -> None:
    """Describe the fault of an argument or of the environment, where the error is such a fault."""
    if isinstance(error, UnicodeEncodeError):  # what is written is never refused, but replaced
        _end(f"Error: not UTF-8: {error.object[:80]!a}: type it anew", Exit.USAGE)
    from imagedrift_runtime.settings import SettingsFault  # noqa: PLC0415 - not loaded for `--help`

    if isinstance(error, SettingsFault):
        _end(f"Error: {error}", Exit.USAGE)


def _end_unavailable(error: OSError, output: TextIO) -> NoReturn:
    """Name the refusal of the system; text that a full disk refused is lost."""
    where = f"{error.filename}: " if error.filename else ""
    if error.errno == errno.ENOSPC and not where:
        _close(output)
        where = "where the answer is written: "
    _end(f"Error: {where}{error.strerror or error}", Exit.UNAVAILABLE)


def _close(output: TextIO) -> None:
    """Let the interpreter's last flush go nowhere, as nobody reads it."""
    with suppress(io.UnsupportedOperation):  # a stream of memory has nothing to flush
        os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())


def _end(line: str, code: int) -> NoReturn:
    if line:
        click.echo(line, err=True)
    sys.exit(code)
