"""The numbers in `docs/registries.md` are those of the code."""

import pytest

from imagedrift_ingest.adapters.postgres.questions import OF_ONE_HOST
from imagedrift_resolver import bulkhead, rate_limiters, settings
from imagedrift_resolver.adapters import credential_helper, dialer, http_client, network
from imagedrift_resolver.adapters.host_names import NameLimits
from imagedrift_resolver.core import (
    backoff,
    breaker,
    budget,
    concurrency,
    json_object,
    policy,
    refusal,
    site,
)
from imagedrift_runtime.nats.topology import LANE_SLOTS
from imagedrift_runtime.registries import operator_file
from support.deploy import ROOT

PAGE = " ".join((ROOT / "docs" / "registries.md").read_text().split())
MINUTE, HOUR = 60, 3600
MEGABYTE = 1024 * 1024
NAMES = NameLimits()


def word(number: float) -> str:
    """Write a small number as the page does."""
    names = {1: "one", 2: "two", 3: "three", 5: "five", 10: "ten", 15: "fifteen", 20: "twenty"}
    return names[int(number)]


def share(part: float) -> str:
    """Write a share as the page does."""
    return {2: "half", 4: "quarter", 5: "fifth"}[round(1 / part)]


def seconds(number: float) -> str:
    """Write a span of whole seconds."""
    return "a second" if number == 1 else f"{word(number)} seconds"


@pytest.mark.parametrize(
    "sentence",
    [
        f"one more after every {concurrency.STEP} good answers, up to {concurrency.MOST}",
        f"After {word(breaker.FAILURES)} failures in a row the breaker opens for "
        f"{breaker.FIRST_WAIT_S:.0f} seconds, then longer, "
        f"up to {breaker.LONGEST_WAIT_S / MINUTE:.0f} minutes",
        f"if one comes within {seconds(breaker.PATIENCE_S)}",
        f"up to {breaker.MOST_ERRORS} of them in a row delay no other",
        f"leaves the last {share(budget.RESERVE)} to your hosts",
        f"rising by {word(budget.RISE_PER_S * MINUTE)} request a second per minute",
        f"at most {rate_limiters.MADE_UP.entries} of those, "
        f"in {rate_limiters.MADE_UP.size // MEGABYTE} MB",
        f"registries that answered ({rate_limiters.KNOWN.entries:,}, "
        f"in {rate_limiters.KNOWN.size // MEGABYTE} MB)",
        f"A lane has {LANE_SLOTS} slots",
        f"as many slots as that allows requests in {seconds(operator_file.PACED_S)}",
        f"share a {share(1 / bulkhead.SHARE)} of the slots of each resolver",
        f"A question that stays silent for {seconds(bulkhead.SILENT_S)} gives its slot",
        f"A question that waits longer than {seconds(bulkhead.WAITS_S)} is answered `limited`",
        f"{OF_ONE_HOST} questions are in the stream at a time: "
        f"{share(OF_ONE_HOST / LANE_SLOTS)} of a lane's slots",
        f"Ports below {policy.LOWEST_FREE_PORT} except 443",
        f"after a {share(network.NEXT_AFTER_S)} of a second, or at once when one fails",
        f"does not finish TLS within {seconds(dialer.SECURE_WITHIN_S)} gives way",
        f"A look-up of a name ends after {seconds(NAMES.within_s)}. "
        f"Its result is cached for {NAMES.kept_s:.0f} seconds",
        f"(RFC 8767); a failure for {seconds(NAMES.failed_kept_s)}",
        f"{seconds(http_client.CONNECT_WITHIN_S)} for a connection "
        f"and {word(http_client.WITHIN_S)} for a whole response",
        f"cached for {word(credential_helper.KEPT_S / MINUTE)} minutes, "
        f"a failure for {seconds(credential_helper.FAILED_KEPT_S)}",
        f"After {word(refusal.MOST_REFUSALS)} refusals in a row, by a registry or a token "
        f"endpoint, it is not sent there for {word(refusal.REST_S / MINUTE)} minutes",
        f"of {settings.SHORTEST_SECRET} characters or more",
        f"more than {json_object.LARGEST // MEGABYTE} MiB",
    ],
)
def test_a_number_of_the_page_is_the_codes(sentence: str) -> None:
    """The sentence stands on the page with the number that the code has."""
    assert sentence in PAGE


def test_the_hours_of_the_page_are_the_codes() -> None:
    """An hour or a minute of the page lasts as long in the code."""
    assert "for up to an hour while no name server answers" in PAGE
    assert NAMES.stale_s == HOUR
    assert "the block lasts a minute, and twice as long each time" in PAGE
    assert (backoff.UNTOLD_WAIT_S, backoff.LONGEST_UNTOLD_WAIT_S) == (MINUTE, HOUR)


def test_the_pairs_of_the_page_are_the_codes() -> None:
    """Token endpoints on other hosts are known for the registries that the page names."""
    assert "it is known to belong to the registry (Docker Hub, GitLab.com, lscr.io)" in PAGE
    assert {registry for registry, _ in site.PAIRS} == {
        site.HUB_API,
        "registry.gitlab.com",
        "lscr.io",
    }
