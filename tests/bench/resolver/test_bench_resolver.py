"""The resolver's benchmarks run and check their own results, on a busy machine too."""

import json
import subprocess
from typing import Any

from imagedrift_sandbox.processes import console_script


def run(*arguments: str) -> dict[str, Any]:
    """Run a benchmark, and return its figures."""
    command = [str(console_script("imagedrift")), "bench", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def test_a_fleet_costs_one_request_per_reference() -> None:
    """A fleet with several resolvers costs one request per reference and freshness period."""
    figures = run("dedup", "--hosts", "10", "--images", "20", "--resolvers", "3")
    assert figures["unique_references"] == 20
    assert figures["requests_per_reference"] == 1.0
    assert (figures["head_requests"], figures["get_requests"]) == (40, 0)
    assert figures["token_requests"] == 0


def test_a_limit_costs_one_request_in_vain() -> None:
    """A registry's limit costs one rejected request, and every reference keeps an answer."""
    figures = run("budget", "--references", "58", "--allow", "20")
    assert figures["answered"] == 20
    assert figures["rejected_requests"] == 1
    assert figures["unknown"] == figures["kept_with_age"] == 38


def test_references_are_looked_up_at_once() -> None:
    """References are looked up at once, far faster than one after the other."""
    figures = run("lookup", "--references", "300", "--latency", "0.05")
    assert figures["requests"] == 300
    assert figures["seconds"] < 300 * 0.05
    assert figures["ratio_to_floor"] >= 1
