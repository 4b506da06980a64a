"""The fault of a file that cannot be read, where its path may be a secret by mistake.

Where the path of a secret's file belongs, people write the secret itself. So a path is repeated
only where it is seen to be one: something is there, or at least the folder that it names.
"""

import os


def unreadable(path: str, error: OSError | ValueError) -> str:
    """Say why a file cannot be read, with its path where that is no secret."""
    reason = getattr(error, "strerror", None) or "it is no text"
    told = (
        f"{path!r} cannot be read" if is_path(path) else "what is written there is no file's path"
    )
    return f"{told}: {reason}"


def is_path(text: str) -> bool:
    """Tell whether a text is seen to be a path: there is such a file, or its folder."""
    # `pathlib` raises for some texts, such as long ones: these functions only say no.
    folder = os.path.dirname(text)  # noqa: PTH120
    return os.path.lexists(text) or (folder.strip("/") != "" and os.path.isdir(folder))  # noqa: PTH112
