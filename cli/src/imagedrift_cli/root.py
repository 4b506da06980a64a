"""How the whole command ends: what went wrong becomes one line and an exit code.

Rules:
- A wrong argument is one line: the command, what is wrong, and the nearest right one.
- A reader that closes its end of a pipe has what it wanted: nothing is said, and all is well.
- What is left is a defect: its traceback is for whoever mends it.
"""

import errno
import io
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
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
        _replace_what_the_locale_lacks()
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
            _end_on_fault_of_settings(error)
            traceback.print_exc()
            _end("Error: this is a defect of imagedrift: please report it", Exit.DEFECT)
        sys.exit(result if isinstance(result, int) else Exit.ANSWERED)

    def _called(self, words: Sequence[str]) -> str:
        """Name the command that was called, for an error that does not know it."""
        return f"imagedrift {words[0]}" if words and words[0] in self.table else "imagedrift"


def _replace_what_the_locale_lacks() -> None:
    """Let no character of a host end a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def usage_line(error: UsageError, called: str) -> str:
    """Say in one line which command was called wrongly, how, and what is right."""
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
    """Return what was typed, where it has to be one of several."""
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


def _end_on_fault_of_settings(error: Exception) -> None:
    """Say what is wrong with the environment, if that is what it is."""
    from imagedrift_runtime.settings import SettingsFault  # noqa: PLC0415 - not loaded for `--help`

    if isinstance(error, SettingsFault):
        _end(f"Error: {error}", Exit.USAGE)


def _end_unavailable(error: OSError, output: TextIO) -> NoReturn:
    """Say what the system refused; on a full disk what was not written cannot be written later."""
    if error.errno == errno.ENOSPC:
        _close(output)
    where = f"{error.filename}: " if error.filename else ""
    _end(f"Error: {where}{error.strerror or error}", Exit.UNAVAILABLE)


def _close(output: TextIO) -> None:
    """Let the interpreter's last flush go nowhere, as nobody reads it."""
    with suppress(io.UnsupportedOperation):  # a stream of memory has nothing to flush
        os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())


def _end(line: str, code: int) -> NoReturn:
    if line:
        click.echo(line, err=True)
    sys.exit(code)
