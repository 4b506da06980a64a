"""Import a library without the optional ones that it would load and that we do not use."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hide_module(module: str) -> Iterator[None]:
    """Let `import module` fail meanwhile, unless it is loaded already."""
    hidden = module not in sys.modules
    if hidden:
        sys.modules[module] = None  # type: ignore[assignment]  # the import system's "not there"
    try:
        yield
    finally:
        if hidden:
            del sys.modules[module]
