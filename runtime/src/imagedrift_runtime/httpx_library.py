"""httpx, imported in this one place.

Where click and rich are installed, httpx loads both for a command of its own: 6 MB, and a fifth of
the processor time of a start. So every module takes `httpx` from here. The member that does so
depends on httpx; the runtime itself does not.
"""

from imagedrift_runtime.import_guard import hide_module

with hide_module("click"):
    import httpx

__all__ = ["httpx"]
