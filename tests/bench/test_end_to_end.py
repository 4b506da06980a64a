"""`imagedrift bench end-to-end` measures what the contract names, and checks its own result."""

import json
import subprocess

from imagedrift_sandbox.processes import BASE_ENVIRONMENT, console_script


def test_the_last_line_is_the_result_as_json() -> None:
    """A small run ends with the figures of the contract, in a sensible order, and exit 0."""
    done = subprocess.run(
        [
            *(console_script("imagedrift"), "bench", "end-to-end", "--json"),
            *("--images", "4", "--changes", "3", "--pushes", "2"),
        ],
        env=BASE_ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert 0 < figures["floor_p50_ms"] < figures["p50_ms"] <= figures["p99_ms"]
    assert 0 < figures["pushed_once_due_p50_ms"] <= figures["pushed_p50_ms"]
