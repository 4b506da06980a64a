"""A small fleet with outdated images and newer versions, and what is due read in plain Python."""

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
STEPS: Final = ("patch", "minor", "major")
NEWER: Final[dict[str, dict[str, tuple[str, int]]]] = {
    REFERENCES[0]: {"minor": ("1.29", 6), "major": ("2.0", 2)},
    REFERENCES[1]: {"minor": ("1.29", 3)},
    REFERENCES[2]: {"major": ("8", 30)},
    REFERENCES[4]: {"patch": ("3.1", 1), "minor": ("3.2", 9), "major": ("4", 4)},
}
"""The newest version of each step, by reference: its tag, and the days for which there is one."""
TRACK: Final = "<2>"
"""The track of every reference."""


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


_FILL_VERSIONS: Final = """
WITH n AS (
  SELECT reference, step, tag, age,
    regexp_replace(reference, ':[^:]*$', '') AS name
  FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[]) AS t (reference, step, tag, age)
), c AS (
  INSERT INTO fleet.image_refs (reference, registry, repository, tag, policy)
  SELECT DISTINCT name || ':' || tag, split_part(name, '/', 1),
    substr(name, strpos(name, '/') + 1), tag, 'ask'
  FROM n
  WHERE NOT EXISTS (SELECT FROM fleet.image_refs AS r WHERE r.reference = n.name || ':' || n.tag)
  RETURNING ref_id, reference
), l AS (
  INSERT INTO fleet.tag_lists (registry, repository)
  SELECT DISTINCT registry, repository FROM fleet.image_refs
  RETURNING list_id, registry, repository
), v AS (
  INSERT INTO fleet.versions (ref_id, list_id, track, version)
  SELECT r.ref_id, l.list_id, $5, r.tag
  FROM fleet.image_refs AS r JOIN l USING (registry, repository)
  RETURNING ref_id
)
INSERT INTO fleet.newer (ref_id, step, candidate_ref_id, state, since)
SELECT r.ref_id, n.step, c.ref_id, 'newer', now() - make_interval(days => n.age)
FROM n
JOIN fleet.image_refs AS r ON r.reference = n.reference
JOIN v ON v.ref_id = r.ref_id
JOIN c ON c.reference = n.name || ':' || n.tag
"""


async def fill(connection: asyncpg.Connection) -> None:
    """Write the fleet: every host has every image, and all are outdated."""
    places, envs = [h.place for h in HOSTS.values()], [h.env for h in HOSTS.values()]
    sites = [h.site for h in HOSTS.values()]
    await connection.execute(
        _FILL, sites, list(HOSTS), places, envs, list(REFERENCES), list(AGES), NEW, OLD
    )
    rows = [
        (reference, step, tag, age)
        for reference, steps in NEWER.items()
        for step, (tag, age) in steps.items()
    ]
    columns = [list(column) for column in zip(*rows, strict=True)]
    await connection.execute(_FILL_VERSIONS, *columns, TRACK)
    await connection.execute("ANALYZE")


def candidates() -> set[str]:
    """The references that newer versions have."""
    return {
        f"{reference.rpartition(':')[0]}:{tag}"
        for reference, steps in NEWER.items()
        for tag, _ in steps.values()
    }


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
    assert row["matches"] == sum(matches(decided, r) for r in {*REFERENCES, *candidates()})
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


def chosen(kinds: Sequence[str], decisions: Iterable[tuple[int, Decided]]) -> Decided | None:
    """The most precise decision of some kinds."""
    found = [(precision(d, n), d) for n, d in decisions if d.kind in kinds]
    return max(found)[1] if found else None


def span_of(kind: str, decisions: Iterable[tuple[int, Decided]]) -> timedelta:
    """The span of the most precise decision of a kind."""
    decided = chosen([kind], decisions)
    return timedelta(days=int((decided.value or "0").split()[0])) if decided else timedelta()


def state(
    age: int, about: Sequence[tuple[int, Decided]], now: datetime, *, excused: bool
) -> dict[str, Any]:
    """Read the rules of time for an image that has been replaced for so many days."""
    due_at = now - timedelta(days=age) + span_of("wait", about)
    overdue_at = due_at + span_of("due_after", about)
    is_due = not excused and due_at <= now
    return {"due": is_due, "overdue": is_due and overdue_at <= now, "excused": excused}


def outdated_state(age: int, about: Sequence[tuple[int, Decided]], now: datetime) -> dict[str, Any]:
    """Read the rules for an outdated image."""
    excused = any(
        d.kind in EXCUSES and (d.kind != "skip" or d.value in (None, NEW)) for _, d in about
    )
    return state(age, about, now, excused=excused) | {"newest": None}


def skipped(
    reference: str, about: Sequence[tuple[int, Decided]], ever: Sequence[tuple[int, Decided]]
) -> set[str]:
    """The versions that are skipped: without a value all, where one was asked for by then."""
    tags = {tag for tag, _ in NEWER.get(reference, {}).values()}
    asked = [n for n, d in ever if d.kind == "within" and matches(d, reference)]
    skips = [(n, d.value) for n, d in about if d.kind == "skip"]
    return {
        tag
        for n, value in skips
        for tag in tags
        if tag == value or (value is None and any(before < n for before in asked))
    }


def version_states(
    reference: str,
    about: Sequence[tuple[int, Decided]],
    ever: Sequence[tuple[int, Decided]],
    now: datetime,
) -> dict[str, dict[str, Any]]:
    """Read the rules for an image with newer versions, by the steps that are asked for."""
    within = chosen(["within", "pin"], about)
    track = chosen(["track"], about)
    if within is None or within.kind == "pin" or (track and track.value != TRACK):
        return {}
    asked = STEPS[: STEPS.index(within.value or "") + 1]
    out = skipped(reference, about, ever)
    excused = any(d.kind in EXCUSES and d.kind != "skip" for _, d in about)
    return {
        step: state(age, about, now, excused=excused or tag in out) | {"newest": tag}
        for step, (tag, age) in NEWER.get(reference, {}).items()
        if step in asked
    }


def expected(
    decisions: Sequence[tuple[int, Decided]], ever: Sequence[tuple[int, Decided]], now: datetime
) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Read the rules for every image of every host, and each cause; `ever`: also what is undone.

    The cause is a step, or empty where the image is outdated.
    """
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for name, host in HOSTS.items():
        for reference, age in zip(REFERENCES, AGES, strict=True):
            about = [(n, d) for n, d in decisions if matches(d, reference) and fits(d, host)]
            found[name, reference, ""] = outdated_state(age, about, now)
            for step, version in version_states(reference, about, ever, now).items():
                found[name, reference, step] = version
    return found
