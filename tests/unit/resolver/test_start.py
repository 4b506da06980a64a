"""The start of a resolver loads no library that it does not use."""

import subprocess
import sys

LOADED = """
import sys
import imagedrift_resolver.__main__
print(*sorted({"click", "pygments", "rich"} & set(sys.modules)))
"""


def test_a_resolver_starts_without_the_libraries_of_a_command() -> None:
    """Two libraries load them where they are installed: 6 MB that are never used."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.split() == []
