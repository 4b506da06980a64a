"""The resolver's adapters, which use httpx without the command that it brings along.

Where click and rich are installed, httpx loads both for that command: 6 MB, and a fifth of the
processor time of a start.
"""

from imagedrift_runtime.import_guard import hide_module

with hide_module("click"):
    import httpx as httpx
