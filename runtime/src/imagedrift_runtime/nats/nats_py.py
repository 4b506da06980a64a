"""nats-py, imported in this one place.

It loads aiohttp where that is installed, for websockets that we do not use: 10 MB in a process
that has 40. So every module takes `nats` from here.
"""

from imagedrift_runtime.import_guard import hide_module

with hide_module("aiohttp"):
    import nats
    import nats.aio.client
    import nats.errors
    import nats.js.api
    import nats.js.errors

__all__ = ["nats"]
