"""The libraries that a process has loaded when it starts."""

import subprocess
import sys


def libraries_loaded_by(module: str) -> set[str]:
    """Import a module in a process of its own, and name the libraries that are loaded then."""
    listed = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", listed], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stdout.split()}
