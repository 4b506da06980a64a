"""`imagedrift bench lookup`: how many distinct references are resolved in a second.

The registry answers each request after a fixed latency, and is configured for `--connections` at
once. So no client can be faster than `references × latency / connections`, the floor. The time runs
from the first question published to the last answer in the shared cache.
"""

import asyncio
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import click

from imagedrift_bench import report
from imagedrift_bench.resolver_bench import ResolverBench
from imagedrift_runtime.clock import now
from imagedrift_sandbox.registry.faults import Fault
from imagedrift_schemas.v1 import Answer, Found


@click.command("lookup")
@report.count("--references", 2_000)
@click.option(
    "--latency",
    default=0.05,
    type=click.FloatRange(min=0),
    show_default=True,
    help="Seconds per request.",
)
@report.count("--connections", 100, "The registry's limit.")
@report.count("--resolvers", 2, "Resolver processes.")
@report.as_json
def command(
    references: int, latency: float, connections: int, resolvers: int, as_json: bool
) -> None:
    """Distinct references resolved per second against a slow registry."""
    with tempfile.TemporaryDirectory(prefix="imagedrift-bench-") as home:
        figures, failed = asyncio.run(
            _measure(Path(home), references, latency, connections, resolvers)
        )
    report.finish("lookup", figures, as_json=as_json, failed_checks=failed)


async def _measure(
    home: Path, references: int, latency: float, connections: int, resolvers: int
) -> tuple[dict[str, float | int], list[str]]:
    async with ResolverBench.open(home, max_connections=connections) as bench:
        repositories = [f"bench/app{number:05d}" for number in range(references)]
        digests = await bench.push(repositories)
        await bench.registry.misbehave(Fault(latency_s=latency))
        await bench.start_resolvers(resolvers)
        questions = [bench.question(repository, now()) for repository in repositories]
        report.progress.print(f"asking {references} questions")
        began = time.perf_counter()
        asking = asyncio.create_task(bench.ask(questions, 300))
        await bench.answered(references)
        seconds = time.perf_counter() - began
        taken = await asking
        answers = await bench.answers_to(questions)
        requests = (await bench.registry.totals()).total
    right = sum(_is_right(answer, digests) for answer in answers)
    floor = references * latency / connections
    failed = [f"{references - right} answers are missing or wrong"] if right != references else []
    failed += [f"{references - taken} questions were refused"] if taken != references else []
    return {
        "seconds": round(seconds, 3),
        "references_per_second": round(references / seconds, 1),
        "floor_seconds": round(floor, 3),
        "ratio_to_floor": round(seconds / floor, 2),
        "requests": requests,
        "resolvers": resolvers,
    }, failed


def _is_right(answer: Answer, digests: Mapping[str, str]) -> bool:
    """Tell whether an answer has the digest that was pushed."""
    found = answer.outcome
    return isinstance(found, Found) and found.digest == digests[answer.repository]
