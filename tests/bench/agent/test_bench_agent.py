"""The agent's benchmark runs, and its figures are within the promised limits."""

import json
import subprocess

from imagedrift_sandbox.processes import console_script


def test_the_agents_benchmark_keeps_the_promises_that_no_other_load_can_break() -> None:
    """An agent's memory and processor time are within their limits, on a busy machine too."""
    command = [str(console_script("imagedrift")), "bench", "agent", "--idle", "5", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    figures = json.loads(done.stdout.splitlines()[-1])

    assert done.returncode == 0, done.stderr
    assert figures["rss_mb"] <= 46
    assert figures["cpu_seconds_per_hour"] <= 5
    assert figures["first_inventory_ms"] > 0
    assert figures["event_to_inventory_ms"] <= 5000
