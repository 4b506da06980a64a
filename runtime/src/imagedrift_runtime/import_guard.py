"""Import a library without what it would load and we do not use."""

import ssl
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


@contextmanager
def without_public_authorities() -> Iterator[None]:
    """Let contexts of TLS that are made meanwhile trust no authority.

    A library that makes one when it is imported, in case that it is needed, reads some 140
    certificates for it: a tenth of a second, and 1 MB.
    """
    load = ssl.SSLContext.load_default_certs

    def load_none(*_: object, **__: object) -> None:
        """Load no certificate."""

    ssl.SSLContext.load_default_certs = load_none  # type: ignore[method-assign]
    try:
        yield
    finally:
        ssl.SSLContext.load_default_certs = load  # type: ignore[method-assign]
