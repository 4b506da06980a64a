"""A small fleet with outdated images, and the rules of what is due, read slowly in plain Python."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import asyncpg

EXCUSES: Final = ("ignore", "accept", "snooze", "skip")
OLD: Final = "sha256:" + "a1" * 32
NEW: Final = "sha256:" + "b2" * 32
OTHER: Final = "sha256:" + "c3" * 32
REFERENCES: Final = (
    "docker.io/library/nginx:1.27",
    "docker.io/library/nginx:1.28",
    "docker.io/library/redis:7",
    "ghcr.io/org/app:3",
    "registry.example.org:5000/team/app:3",
)
AGES: Final = (1, 3, 5, 8, 40)
"""Days for which the image of each reference is outdated."""


class Host(NamedTuple):
    """A host, as selectors see it."""

    site: str
    place: str
    env: str


HOSTS: Final = {
    "a": Host("ber1", "ber1/rack-1", "prod"),
    "b": Host("ber1", "ber1/rack-10", "test"),
    "c": Host("fra1", "fra1/rack-1/slot-2", "prod"),
}


class Decided(NamedTuple):
    """A decision, as it was asked for."""

    pattern: str
    kind: str
    value: str | None = None
    site: str | None = None
    place: str | None = None
    env: str | None = None
    until_days: float | None = None

    @property
    def selector(self) -> dict[str, str]:
        """The selector of `ops.decide`."""
        label = None if self.env is None else f"env={self.env}"
        parts = {"site": self.site, "place": self.place, "label": label}
        return {name: text for name, text in parts.items() if text is not None}


_FILL: Final = """
WITH h AS (
  INSERT INTO fleet.hosts (site, host, hostname, labels, place)
  SELECT site, host, host, jsonb_build_object('env', env), place
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS t (site, host, place, env)
  RETURNING host_id
), s AS (
  INSERT INTO fleet.host_state (host_id, content, last_seen_at, images, silent_at)
  SELECT host_id, sha256('x'), now(), cardinality($5::text[]), now() + interval '1 day' FROM h
), r AS (
  INSERT INTO fleet.image_refs (reference, registry, repository, tag, policy)
  SELECT reference, split_part(reference, '/', 1),
    regexp_replace(substr(reference, strpos(reference, '/') + 1), ':[^:]*$', ''),
    regexp_replace(reference, '^.*:', ''), 'ask'
  FROM unnest($5::text[]) AS t (reference)
  RETURNING ref_id, reference
), a AS (
  INSERT INTO fleet.answers (ref_id, remote_digest, remote_since, checked_at, attempted_at)
  SELECT ref_id, $7, now(), now(), now() FROM r
), c AS (
  INSERT INTO fleet.comparisons (ref_id, image_id, repo_digests, platform, verdict, reason,
                                 verdict_since)
  SELECT r.ref_id, $8, ARRAY[$8::text], 'linux/amd64', 'outdated', 'platform_differs',
    now() - make_interval(days => t.age)
  FROM r JOIN unnest($5::text[], $6::integer[]) AS t (reference, age) USING (reference)
  RETURNING comparison_id
)
INSERT INTO fleet.host_images (host_id, comparison_id, since, running)
SELECT h.host_id, c.comparison_id, now(), 1 FROM h CROSS JOIN c
"""


async def fill(connection: asyncpg.Connection) -> None:
    """Write the fleet: every host has every image, and all are outdated."""
    places, envs = [h.place for h in HOSTS.values()], [h.env for h in HOSTS.values()]
    sites = [h.site for h in HOSTS.values()]
    await connection.execute(
        _FILL, sites, list(HOSTS), places, envs, list(REFERENCES), list(AGES), NEW, OLD
    )
    await connection.execute("ANALYZE")


async def decide(connection: asyncpg.Connection, decided: Decided) -> int:
    """Decide it; the key of the decision."""
    row = await connection.fetchrow(
        "SELECT * FROM ops.decide($1, $2::jsonb, $3, now() + $4::interval, 'because', $5)",
        decided.pattern,
        json.dumps(decided.selector),
        decided.kind,
        None if decided.until_days is None else timedelta(days=decided.until_days),
        decided.value,
    )
    assert row is not None
    assert row["matches"] == len([r for r in REFERENCES if matches(decided, r)])
    found: int = row["decision_id"]
    return found


def matches(decided: Decided, reference: str) -> bool:
    """Whether the decision is about the reference."""
    head, star, _ = decided.pattern.partition("*")
    return reference.startswith(head) if star else reference == head


def fits(decided: Decided, host: Host) -> bool:
    """Whether the decision is about the host."""
    if decided.site is not None and decided.site != host.site:
        return False
    inside = host.place == decided.place or host.place.startswith(f"{decided.place}/")
    if decided.place is not None and not inside:
        return False
    return decided.env is None or decided.env == host.env


def precision(decided: Decided, number: int) -> tuple[bool, int, int, int]:
    """Order decisions: a whole reference, a longer pattern, more about the host, the newest."""
    pattern = decided.pattern
    whole = "*" not in pattern
    return whole, len(pattern.rstrip("*")), len(decided.selector), number


def span_of(kind: str, decisions: Iterable[tuple[int, Decided]]) -> timedelta:
    """The span of the most precise decision of a kind."""
    chosen = [(precision(d, n), d) for n, d in decisions if d.kind == kind]
    return timedelta(days=int((max(chosen)[1].value or "0").split()[0])) if chosen else timedelta()


def state(
    reference: str, age: int, host: Host, decisions: Sequence[tuple[int, Decided]], now: datetime
) -> dict[str, Any]:
    """Read the rules for one image of one host."""
    about = [(n, d) for n, d in decisions if matches(d, reference) and fits(d, host)]
    excused = any(
        d.kind in EXCUSES and (d.kind != "skip" or d.value in (None, NEW)) for _, d in about
    )
    due_at = now - timedelta(days=age) + span_of("wait", about)
    overdue_at = due_at + span_of("due_after", about)
    is_due = not excused and due_at <= now
    return {"due": is_due, "overdue": is_due and overdue_at <= now, "excused": excused}


def expected(
    decisions: Sequence[tuple[int, Decided]], now: datetime
) -> dict[tuple[str, str], dict[str, Any]]:
    """Read the rules for every image of every host."""
    return {
        (name, reference): state(reference, age, host, decisions, now)
        for name, host in HOSTS.items()
        for reference, age in zip(REFERENCES, AGES, strict=True)
    }
