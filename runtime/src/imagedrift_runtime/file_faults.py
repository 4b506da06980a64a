"""The fault of a file that cannot be read, where its path may be a secret by mistake.

Where the path of a secret's file belongs, people write the secret itself. So a path is repeated
only where it is seen to be one: something is there, or at least a folder that it names.
"""

import os
from collections.abc import Iterator


def unreadable(path: str, error: OSError | ValueError) -> str:
    """Say why a file cannot be read, with its path where that is no secret."""
    reason = getattr(error, "strerror", None) or "it is no text"
    told = f"{path!r} cannot be read" if is_path(path) else "its value is not the path of a file"
    return f"{told}: {reason}"


def is_path(text: str) -> bool:
    """Tell whether a text is seen to be a path: there is such a file, or a folder that it names."""
    # `pathlib` raises for some texts, such as long ones: these functions only say no.
    return os.path.lexists(text) or any(map(os.path.isdir, _folders(text)))


def _folders(text: str) -> Iterator[str]:
    """Yield the folders of a path, from the inside out; the root says nothing, as all have it."""
    while (folder := os.path.dirname(text).rstrip("/")) and folder != text:  # noqa: PTH120
        yield folder
        text = folder
