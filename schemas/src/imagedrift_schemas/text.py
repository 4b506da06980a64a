"""Text from others, made fit to be stored and shown.

Text that decides nothing (names, labels, errors) never refuses its message: what cannot be shown is
replaced, what is too long is cut. Identity text (site, host, reference, digest) is not repaired but
refused by its own grammar.

| character                                            | becomes          |
|------------------------------------------------------|------------------|
| line and paragraph separators, tabs, any white space | a space          |
| Unicode's category C: controls, bidi marks, zero     | U+FFFD           |
|   width, surrogates, private use, not assigned       |                  |
| any other                                            | stays            |
"""

import re
from typing import Final

REPLACEMENT: Final = "\ufffd"
ELLIPSIS: Final = "…"
MOST_MENDED: Final = 8 * 1024 * 1024
"""Bytes: 20,000 images."""
_SURROGATES: Final = re.compile(
    rb"""(?<!\\)(?P<before>(?:\\\\)*)\\(?:
        u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}
        | (?P<single>u[dD][89a-fA-F][0-9a-fA-F]{2})
    )""",
    re.VERBOSE,
)
"""A pair of surrogates or a single one, as JSON escapes them; before it escaped backslashes."""


def cleaned(text: str, most: int) -> str:
    """Make text fit to be shown on one line, in at most so many characters."""
    if len(text) <= most and text.isprintable():
        return text
    cut = text if len(text) <= most else text[: most - 1] + ELLIPSIS
    return "".join(map(_shown, cut))


def mended(payload: bytes) -> bytes:
    """Write JSON anew without characters that are no Unicode: broken UTF-8 and single surrogates.

    For a message that could not be decoded. The JSON itself is not read: a few megabytes of it may
    be a million values, with hundreds of bytes of memory for each. Returns a payload as it is when
    it is so large that this would hold up everything else.
    """
    if len(payload) > MOST_MENDED:
        return payload
    text = payload.decode(errors="replace").encode()
    if b"\\ud" not in text and b"\\uD" not in text:
        return text
    return _SURROGATES.sub(_without_single, text)


def _without_single(found: re.Match[bytes]) -> bytes:
    return found["before"] + b"?" if found["single"] else found[0]


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else REPLACEMENT
