"""The options of the filters that every list has, with the texts that each accepts.

An empty value is refused: it comes from a variable of a shell that is not set, and would let
everything pass. So is a second value of an option that can be one thing, as the first would go
unheard.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import click

from imagedrift_cli.filters import VERDICTS, Filters

F = TypeVar("F", bound=Callable[..., Any])


def filtered(*, without: Sequence[str] = (), texts: bool = True) -> Callable[[F], F]:
    """Give a command the filters, as one argument `filters`."""

    def decorate(command: F) -> F:
        def run(*arguments: Any, **options: Any) -> Any:
            return command(*arguments, filters=_take_filters(options), **options)

        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
        wrapped: Any = run
        for name, option in reversed(list(_OPTIONS.items())):
            if name not in without:
                wrapped = option(wrapped)
        if texts:
            wrapped = click.argument("texts", nargs=-1, metavar="[TEXT]...", callback=not_empty)(
                wrapped
            )
        decorated: F = wrapped
        return decorated

    return decorate


def _label(
    _context: click.Context, option: click.Parameter, value: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    pairs: dict[str, str] = {}
    for text in value:
        key, mark, told = _not_empty(option, text).partition("=")
        if not mark or not key:
            raise click.BadParameter(f"{text} is not K=V, as env=prod")
        if pairs.setdefault(key, told) != told:
            raise click.BadParameter(f"{key} cannot be both {pairs[key]} and {told}")
    return tuple(pairs.items())


def not_empty(
    _context: click.Context, option: click.Parameter, value: tuple[str, ...] | str | None
) -> tuple[str, ...] | str | None:
    """Refuse an empty name."""
    for each in value if isinstance(value, tuple) else [value]:
        if each is not None:
            _not_empty(option, each)
    return value


def _places(
    _context: click.Context, option: click.Parameter, value: tuple[str, ...]
) -> tuple[str, ...]:
    return tuple(_place(option, each) for each in value)


def _place(option: click.Parameter, text: str) -> str:
    """Write a place without the slash that a shell may have added at its end."""
    return _not_empty(option, text.rstrip("/"))


def _not_empty(option: click.Parameter, text: str) -> str:
    """Refuse an empty value: it comes from a variable of a shell that is not set."""
    if not text:
        raise click.BadParameter(f"{_called(option)} is empty")
    return text


def _called(parameter: click.Parameter) -> str:
    return parameter.opts[-1] if isinstance(parameter, click.Option) else "TEXT"


def one(_context: click.Context, option: click.Parameter, value: tuple[str, ...]) -> str | None:
    """Take the value of an option that can be one thing: of two, none may go unheard."""
    if len(value) > 1:
        raise click.BadParameter(f"{option.opts[-1]} is given {len(value)} times: it can be one")
    given = [_place(option, each) if option.name == "place" else each for each in value]
    return _not_empty(option, given[0]) if given else None


_OPTIONS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "site": click.option(
        "--site", "sites", multiple=True, callback=not_empty, help="Only hosts of this site."
    ),
    "place": click.option(
        "--place",
        "places",
        multiple=True,
        callback=_places,
        help="Only hosts at this place or inside it.",
    ),
    "label": click.option(
        "--label",
        "labels",
        multiple=True,
        metavar="K=V",
        callback=_label,
        help="Only hosts with this label; several add up.",
    ),
    "registry": click.option(
        "--registry",
        "registries",
        multiple=True,
        callback=not_empty,
        help="Only images of it, as docker.io.",
    ),
    "running": click.option(
        "--running", is_flag=True, help="Only images that a running container uses."
    ),
    "verdict": click.option(
        "--verdict",
        "verdicts",
        multiple=True,
        type=click.Choice(VERDICTS),
        metavar="NAME",
        help=f"Only images that are {', '.join(VERDICTS[:-1])} or {VERDICTS[-1]}.",
    ),
}


def _take_filters(options: dict[str, Any]) -> Filters:
    """Take the filters out of a command's options."""
    return Filters(
        **{name: options.pop(name) for name in Filters.__struct_fields__ if name in options}
    )
