"""The benchmarks as they are typed, small: each checks its own result."""

import json
import subprocess
from typing import Any

from imagedrift_sandbox.processes import BASE_ENVIRONMENT, console_script


def run(*arguments: str, within_s: float = 180) -> dict[str, Any]:
    """Run a benchmark, and return its figures."""
    done = subprocess.run(
        [str(console_script("imagedrift")), "bench", *arguments, "--json"],
        env=BASE_ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures
