"""`imagedrift bench budget`: the questions to a registry that allows only some requests.

The registry answers `--allow` requests, and then 429 for an hour. It publishes no limit, so the end
comes without a warning. All references were answered a period before: an answer that could not be
renewed must still have its last digest and the time of it.
"""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click

from imagedrift_bench import report
from imagedrift_bench.resolver_bench import ResolverBench
from imagedrift_runtime.clock import now
from imagedrift_sandbox.registry.budgets import Budget, Dialect, Wait
from imagedrift_sandbox.registry.routes import RouteKind
from imagedrift_schemas.v1 import Answer, Found, Limited

WINDOW_S = 3600


@click.command("budget")
@report.count("--references", 58)
@report.count("--allow", 20, "Requests that are answered.")
@report.count("--resolvers", 1, "Resolver processes.")
@report.as_json
def command(references: int, allow: int, resolvers: int, as_json: bool) -> None:
    """A registry that allows so many requests, then answers 429."""
    with tempfile.TemporaryDirectory(prefix="imagedrift-bench-") as home:
        figures, failed = asyncio.run(_measure(Path(home), references, allow, resolvers))
    report.finish("budget", figures, as_json=as_json, failed_checks=failed)


async def _measure(
    home: Path, references: int, allow: int, resolvers: int
) -> tuple[dict[str, float | int], list[str]]:
    async with ResolverBench.open(home) as bench:
        repositories = [f"bench/app{number:03d}" for number in range(references)]
        await bench.push(repositories)
        report.progress.print(f"a first period without a limit: {references} references")
        known = await _first_period(bench, repositories)
        report.progress.print(f"a second one, in which the registry allows {allow}")
        await _limit(bench, allow)
        await bench.start_resolvers(resolvers)
        began = time.perf_counter()
        answers = await _answered(bench, repositories, 300)
        seconds = time.perf_counter() - began
        rejected = (await bench.registry.totals()).rejected
    answered = sum(isinstance(answer.outcome, Found) for answer in answers)
    kept = sum(map(_is_kept, known, answers))
    failed = []
    if answered != min(allow, references):
        failed.append(f"{answered} were answered, {allow} were allowed")
    if kept != references:
        failed.append(f"{references - kept} references lost what was known of them")
    if rejected > resolvers:
        failed.append(f"{rejected} requests were made in vain")
    return {
        "answered": answered,
        "rejected_requests": rejected,
        "unknown": sum(isinstance(answer.outcome, Limited) for answer in answers),
        "kept_with_age": kept - answered,
        "seconds": round(seconds, 3),
    }, failed


async def _first_period(bench: ResolverBench, repositories: Sequence[str]) -> list[Answer]:
    """Let one resolver answer all questions, and the server forget them."""
    await bench.start_resolvers(1)
    answers = await _answered(bench, repositories, 1)
    await bench.stop_resolvers()
    await asyncio.sleep(2)
    return answers


async def _answered(
    bench: ResolverBench, repositories: Sequence[str], within_s: float
) -> list[Answer]:
    """Ask about each repository, and wait for the answers."""
    questions = [bench.question(repository, now()) for repository in repositories]
    await bench.ask(questions, within_s)
    return await bench.answers_to(questions)


async def _limit(bench: ResolverBench, allow: int) -> None:
    """Let the registry answer so many requests of manifests, and then 429."""
    manifests = (RouteKind.MANIFEST_HEAD, RouteKind.MANIFEST_GET)
    await bench.registry.limit(
        Budget(
            limit=allow, window_s=WINDOW_S, kinds=manifests, dialect=Dialect.NONE, wait=Wait.SECONDS
        )
    )


def _is_kept(before: Answer, after: Answer) -> bool:
    """Tell whether an answer is new, or still has its last digest and the time of it."""
    if isinstance(after.outcome, Found):
        return True
    same = (after.last_digest, after.last_found_at) == (before.last_digest, before.last_found_at)
    return bool(before.last_digest) and same and isinstance(after.outcome, Limited)
