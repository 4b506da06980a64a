"""`WWW-Authenticate`: what a registry asks for before it answers.

    challenges = challenge *( "," challenge )      several in a header, several headers
    challenge  = scheme [ parameter *( "," parameter ) | token68 ]
    parameter  = name "=" ( word | quoted )

Read leniently, because registries write it freely: any case, stray commas, missing quotes,
schemes that nobody knows. What makes no sense is skipped, word by word: a step for each character
would look at the rest of a long word as often as that has characters. Nothing raises. All headers
together are read up to `_LONGEST`, as a response may have 64 KiB of them, and who reads waits for
nothing meanwhile.
"""

import re
from collections.abc import Iterable
from itertools import islice
from typing import Final

from msgspec import Struct

_LONGEST: Final = 8192
_MOST: Final = 16
_PARAMETER: Final = re.compile(
    r"""([A-Za-z0-9_!#$%&'*+.^`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"?|([^\s",]+))"""
)
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)(?=\s|,|$)")
_TOKEN68: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*\s*(?=,|$)")
_GAP: Final = re.compile(r"[\s,]+")
_NONSENSE: Final = re.compile(
    r"[A-Za-z0-9_!#$%&'*+.^`|~/=-]+|[^A-Za-z0-9_!#$%&'*+.^`|~/=\s,-]+|.", re.DOTALL
)
_ESCAPE: Final = re.compile(r"\\(.)")


class Challenge(Struct, frozen=True):
    """One way to authenticate. Scheme and parameter names are in lower case."""

    scheme: str
    parameters: dict[str, str] = {}


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """Read the challenges of every header, in order."""
    found: list[Challenge] = []
    room = _LONGEST
    for header in headers:
        found.extend(islice(_of_one(header[:room]), _MOST - len(found)))
        room -= len(header)
        if room <= 0 or len(found) >= _MOST:
            break
    return tuple(found)


def _of_one(header: str) -> Iterable[Challenge]:
    scheme: str | None = None
    parameters: dict[str, str] = {}
    position = 0
    while position < len(header):
        if gap := _GAP.match(header, position):
            position = gap.end()
        elif parameter := _PARAMETER.match(header, position):
            name, quoted, word = parameter.groups()
            value = word if word is not None else _ESCAPE.sub(r"\1", quoted)
            parameters.setdefault(name.lower(), value)
            position = parameter.end()
        elif found := _SCHEME.match(header, position):
            if scheme:
                yield Challenge(scheme, parameters)
            scheme, parameters = found[1].lower(), {}
            position = found.end()
        elif scheme and (token := _TOKEN68.match(header, position)):
            position = token.end()
        elif nonsense := _NONSENSE.match(header, position):
            position = nonsense.end()
    if scheme:
        yield Challenge(scheme, parameters)
