"""`imagedrift bench dedup`: how many requests a whole fleet costs its registry.

Every host asks about each of its images, in two freshness periods; several resolvers share the
work. With `--faults` one resolver is killed and one is paused in the middle of the first period.
That period then lasts longer, as the killed one's questions are redelivered after six seconds.
Every question must still be answered, for at most one more request per question in flight.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import click

from imagedrift_bench import report
from imagedrift_bench.resolver_bench import ResolverBench
from imagedrift_runtime.clock import now
from imagedrift_sandbox.registry.faults import Fault
from imagedrift_schemas.v1 import Found, Resolve

PERIOD_S = 5.0
DISTURBED_PERIOD_S = 45.0
PERIODS = 2
LATENCY_S = 0.02
PAUSE_S = 1.0


class PeriodResult(NamedTuple):
    """The questions of a period that NATS accepted, those in flight at a fault, and the faults."""

    taken: int
    in_flight: int
    faults: list[str]


@click.command("dedup")
@report.count("--hosts", 100)
@report.count("--images", 58, "Distinct images; every host has all.")
@report.count("--resolvers", 3, "Resolver processes.")
@click.option("--faults", is_flag=True, help="Kill one resolver and pause one.")
@report.as_json
def command(hosts: int, images: int, resolvers: int, faults: bool, as_json: bool) -> None:
    """Registry requests for a fleet over two freshness periods."""
    with tempfile.TemporaryDirectory(prefix="imagedrift-bench-") as home:
        figures, failed = asyncio.run(_measure(Path(home), hosts, images, resolvers, faults))
    report.finish("dedup", figures, as_json=as_json, failed_checks=failed)


async def _measure(
    home: Path, hosts: int, images: int, resolvers: int, faults: bool
) -> tuple[dict[str, float | int], list[str]]:
    async with ResolverBench.open(home) as bench:
        digests = await bench.push(f"bench/app{number:03d}" for number in range(images))
        await bench.registry.misbehave(Fault(latency_s=LATENCY_S))
        await bench.start_resolvers(resolvers)
        before = (await bench.registry.totals()).kinds
        periods = []
        for number in range(PERIODS):
            report.progress.print(f"period {number + 1}: {hosts} hosts ask about {images} images")
            is_disturbed = faults and number == 0
            periods.append(await _period(bench, digests, hosts, is_disturbed=is_disturbed))
        after = (await bench.registry.totals()).kinds
    spent = {kind: count - before.get(kind, 0) for kind, count in after.items()}
    requests, expected = sum(spent.values()), PERIODS * images
    in_flight = sum(period.in_flight for period in periods)
    failed = [fault for period in periods for fault in period.faults]
    if not expected <= requests <= expected + in_flight:
        failed.append(f"{requests} requests were made for {expected} questions")
    return {
        "unique_references": images,
        "head_requests": spent.get("manifest_head", 0),
        "get_requests": spent.get("manifest_get", 0),
        "token_requests": spent.get("token", 0),
        "requests_per_reference": round(requests / expected, 3),
        "periods": PERIODS,
        "questions_asked": PERIODS * hosts * images,
        "questions_taken": sum(period.taken for period in periods),
        "in_flight_at_faults": in_flight,
    }, failed


async def _period(
    bench: ResolverBench, digests: Mapping[str, str], hosts: int, *, is_disturbed: bool
) -> PeriodResult:
    """Let each host ask about each image, and wait until the server has forgotten the questions."""
    began, since = time.monotonic(), now()
    questions = [bench.question(repository, since) for repository in digests]
    lasts = DISTURBED_PERIOD_S if is_disturbed else PERIOD_S
    asking = asyncio.create_task(_as_a_fleet(bench, questions, hosts, lasts))
    in_flight = await _disturb(bench) if is_disturbed else 0
    taken = await asking
    faults = await _wrong(bench, questions, digests)
    await asyncio.sleep(max(0.0, lasts + 1 - (time.monotonic() - began)))
    return PeriodResult(taken, in_flight, faults)


async def _as_a_fleet(
    bench: ResolverBench, questions: list[Resolve], hosts: int, lasts: float
) -> int:
    """Ask every host's questions in an order of its own, and return how many NATS accepted."""
    dice = random.Random(hosts)  # noqa: S311 - no secret
    taken = 0
    for _ in range(hosts):
        taken += await bench.ask(dice.sample(questions, len(questions)), lasts)
    return taken


async def _disturb(bench: ResolverBench) -> int:
    """Kill one resolver, pause another, start a third; return how many questions were in flight."""
    await asyncio.sleep(0.2)
    victim, sleeper = bench.resolvers[0], bench.resolvers[1]
    lag = await bench.pending()
    sleeper.pause()
    victim.kill()
    bench.resolvers.remove(victim)
    report.progress.print(f"killed one resolver and paused one, {lag} questions in flight")
    await asyncio.sleep(PAUSE_S)
    sleeper.resume()
    await bench.start_resolvers(1)
    return lag


async def _wrong(
    bench: ResolverBench, questions: list[Resolve], digests: Mapping[str, str]
) -> list[str]:
    """Wait until every question is answered, and return the faults of the answers."""
    answers = await bench.answers_to(questions)
    wrong = [
        f"{question.repository} ({answer.outcome})"
        for question, answer in zip(questions, answers, strict=True)
        if not isinstance(answer.outcome, Found)
        or answer.outcome.digest != digests[question.repository]
    ]
    return [f"no or a wrong answer for {', '.join(wrong)}"] if wrong else []
