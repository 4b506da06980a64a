"""Imports without the parts of a library that we do not use, and without looking for garbage."""

import gc
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hide_module(module: str) -> Iterator[None]:
    """Let `import module` fail meanwhile: a part of it may be loaded already, and the rest not."""
    loaded = sys.modules.get(module)
    sys.modules[module] = None  # type: ignore[assignment]  # the import system's "not there"
    try:
        yield
    finally:
        if loaded is None:
            del sys.modules[module]
        else:
            sys.modules[module] = loaded


@contextmanager
def without_collecting() -> Iterator[None]:
    """Import meanwhile what a process needs for its life: its modules are never taken for garbage.

    Else the collector looks through them after every few hundred new objects, a twentieth of a
    start, and later once more whenever it looks through all.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def without_public_authorities() -> Iterator[None]:
    """Let contexts of TLS that are made meanwhile trust no authority.

    A library that makes one when it is imported, in case that it is needed, reads some 140
    certificates for it: 30 ms each, and 1 MB. Two methods of a context read them.
    """
    loaders = ("load_default_certs", "set_default_verify_paths")
    own = {name: load for name, load in vars(ssl.SSLContext).items() if name in loaders}

    def load_none(*_: object, **__: object) -> None:
        """Load no certificate."""

    for name in loaders:
        setattr(ssl.SSLContext, name, load_none)
    try:
        yield
    finally:
        for name in loaders:
            if name in own:
                setattr(ssl.SSLContext, name, own[name])
            else:
                delattr(ssl.SSLContext, name)
