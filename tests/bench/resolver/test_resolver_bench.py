"""The servers of the resolver's benchmarks: questions are answered once, and in time."""

from pathlib import Path

from imagedrift_bench.resolver_bench import ResolverBench
from imagedrift_runtime.clock import now
from imagedrift_schemas.v1 import Found


async def test_pushed_images_are_asked_about_and_answered(tmp_path: Path) -> None:
    """A question that is asked already is not taken again, and no answer is older than it."""
    async with ResolverBench.open(tmp_path, max_connections=4) as bench:
        digests = await bench.push(["a/one", "a/two"])
        await bench.start_resolvers(1)
        since = now()
        questions = [bench.question(name, since) for name in digests]
        taken = await bench.ask(questions, 60), await bench.ask(questions, 60)
        await bench.answered(2)
        answers = await bench.answers_to(questions)

    assert taken == (2, 0)
    assert all(answer.checked_at >= since for answer in answers)
    outcomes = {each.repository: each.outcome for each in answers}
    assert all(isinstance(outcome, Found) for outcome in outcomes.values())
    assert {name: getattr(outcome, "digest", "") for name, outcome in outcomes.items()} == digests
