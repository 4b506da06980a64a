"""aiodocker and aiohttp, imported in this one place.

aiohttp makes a TLS context with all public authorities when it is imported. Ours are made by
`imagedrift_runtime.tls`, so the import goes without them.
"""

from imagedrift_runtime.import_guard import without_public_authorities

with without_public_authorities():
    import aiodocker
    import aiohttp

__all__ = ["aiodocker", "aiohttp"]
