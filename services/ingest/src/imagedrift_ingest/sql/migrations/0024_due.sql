-- Decisions are matched by one look-up; what is due names versions, and is counted
-- depends: 0021_versions 0022_decisions
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '10min';

-- One index for both ways to match: the beginnings of a reference, itself among them, are looked up.
-- A decision is stored by hand, so nobody waits for this.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX decisions_pattern_idx ON fleet.decisions (pattern) WHERE kind <> 'undo';

CREATE TYPE fleet.host_rule AS (
  kind text, excuses boolean, site text, place text, label_key text, label_value text, rank bigint[]
);
COMMENT ON TYPE fleet.host_rule IS 'A decision about some hosts only.';

-- Two tables are joined for a reference, whatever is asked: planning was most of the time. The rank
-- orders decisions by what is said more precisely: a whole reference, a longer pattern, more about
-- the host, and the newest last. The span that stands behind comes out of a maximum with it.
CREATE VIEW fleet.rules AS
SELECT
  r.ref_id, r.reference, r.registry, r.repository, r.tag,
  a.remote_digest, coalesce(a.checked_at, a.attempted_at) AS checked_at, a.next_check_at, a.failure, a.error,
  w.excuse, w.wait, w.due_after, w.by_host, w.is_excused
FROM fleet.image_refs AS r
LEFT JOIN fleet.answers AS a ON a.ref_id = r.ref_id
CROSS JOIN LATERAL (
  SELECT
    max(x.rank) FILTER (WHERE x.excuses AND x.selectors = 0) AS excuse,
    max(x.rank) FILTER (WHERE x.kind = 'wait' AND x.selectors = 0) AS wait,
    max(x.rank) FILTER (WHERE x.kind = 'due_after' AND x.selectors = 0) AS due_after,
    array_agg(ROW (x.kind, x.excuses, x.site, x.place, x.label_key, x.label_value, x.rank)::fleet.host_rule)
      FILTER (WHERE x.selectors > 0) AS by_host,
    coalesce(bool_or(x.excuses AND x.selectors = 0), false) AS is_excused
  FROM (
    SELECT
      d.kind, d.site, d.place, d.label_key, d.label_value,
      d.kind IN ('ignore', 'accept', 'snooze') OR (d.kind = 'skip' AND d.remote_digest = a.remote_digest) AS excuses,
      num_nonnulls(d.site, d.place, d.label_key) AS selectors,
      ARRAY[
        (NOT d.is_prefix)::integer, octet_length(d.pattern), num_nonnulls(d.site, d.place, d.label_key),
        d.decision_id, d.span_s
      ]::bigint[] AS rank
    FROM fleet.decisions AS d
    WHERE d.pattern = ANY (ARRAY(SELECT left(r.reference, n) FROM generate_series(0, length(r.reference)) AS n))
      AND (d.is_prefix OR d.pattern = r.reference)
      AND d.kind <> 'undo' AND d.kind IN ('ignore', 'accept', 'snooze', 'skip', 'wait', 'due_after')
      AND (d.until IS NULL OR d.until > now())
      AND NOT EXISTS (SELECT FROM fleet.decisions AS u WHERE u.undoes = d.decision_id)
  ) AS x
) AS w;
COMMENT ON VIEW fleet.rules IS 'What is decided about each reference, beside what its registry answered.';
COMMENT ON COLUMN fleet.rules.ref_id IS 'The reference.';
COMMENT ON COLUMN fleet.rules.reference IS 'Its name in full.';
COMMENT ON COLUMN fleet.rules.registry IS 'Its registry.';
COMMENT ON COLUMN fleet.rules.repository IS 'Its repository.';
COMMENT ON COLUMN fleet.rules.tag IS 'Its tag.';
COMMENT ON COLUMN fleet.rules.remote_digest IS 'What it pointed to when it was last found.';
COMMENT ON COLUMN fleet.rules.checked_at IS 'When the registry gave that answer.';
COMMENT ON COLUMN fleet.rules.next_check_at IS 'When the registry is asked next.';
COMMENT ON COLUMN fleet.rules.failure IS 'Kind of the last failure; null when the last check was good.';
COMMENT ON COLUMN fleet.rules.error IS 'What was wrong then.';
COMMENT ON COLUMN fleet.rules.excuse IS 'Rank of the decision that excuses it on every host: [4] is its key.';
COMMENT ON COLUMN fleet.rules.wait IS 'Rank of the decision that makes it wait on every host: [5] is its span in seconds.';
COMMENT ON COLUMN fleet.rules.due_after IS 'Rank of the decision that says when it is overdue on every host.';
COMMENT ON COLUMN fleet.rules.by_host IS 'The decisions about some hosts only.';
COMMENT ON COLUMN fleet.rules.is_excused IS 'Whether it is excused on every host.';

CREATE OR REPLACE VIEW fleet.due_rows AS
SELECT
  h.site, h.host, h.hostname, h.labels,
  w.reference, w.registry, w.repository, w.tag,
  c.platform, c.image_id, c.repo_digests AS local_digests, w.remote_digest,
  c.verdict, c.reason, greatest(c.verdict_since, hi.since) AS verdict_since,
  w.checked_at, w.next_check_at, w.failure IS NOT NULL AS stale,
  nullif(concat_ws('; ',
      CASE WHEN c.by_digest THEN 'a container names the digest beside the tag: change the digest where the container is defined, and recreate it' END,
      w.error,
      CASE WHEN c.reason = 'digest_differs' THEN 'whether this very image was replaced is not known: '
        || (SELECT d.error FROM fleet.descriptions AS d WHERE d.digest = w.remote_digest) END), '') AS error,
  hi.running, coalesce(hi.containers, '{}') AS containers,
  coalesce((hi.own ->> 'size')::bigint, c.size_bytes) AS size,
  CASE WHEN hi.own ? 'created_at' THEN (hi.own ->> 'created_at')::timestamptz ELSE c.created_at END AS created_at,
  now() - greatest(c.verdict_since, hi.since) AS outdated_for,
  hi.shared AND NOT hi.tagged AND NOT c.by_digest AND EXISTS (
    SELECT FROM fleet.host_images AS other
    JOIN fleet.comparisons AS new ON new.comparison_id = other.comparison_id
    WHERE other.host_id = hi.host_id AND other.tagged AND new.ref_id = c.ref_id
      AND new.verdict = 'current' AND new.platform = c.platform
    OFFSET 0 -- looked up for the rows that are shown, and never hashed for the whole fleet
  ) AS recreate_only,
  h.place, hi.tagged, hi.since AS on_host_since,
  c.manifest_digest, c.by_digest,
  -- An image that is outdated when it is first seen has its verdict since its own digest was replaced
  -- (`add_comparisons`), so this is the start of a period of the tag, and no host changes it.
  c.verdict_since AS available_since,
  c.verdict_since + make_interval(secs => t.wait_s) AS due_at,
  c.verdict_since + make_interval(secs => t.wait_s + t.due_after_s) AS overdue_at,
  (greatest(w.excuse, s.excuse))[4] AS excuse_id,
  CASE WHEN NOT t.waits_by_label THEN (greatest(w.wait, s.wait))[4] END AS wait_id,
  w.is_excused OR s.is_excused AS is_excused, t.waits_by_label, hi.host_id, hi.comparison_id, c.ref_id,
  c.facts ->> 'version' AS local_version,
  (SELECT f.version FROM fleet.image_facts AS f WHERE f.digest = w.remote_digest AND f.platform IN (c.platform, '') ORDER BY f.platform DESC LIMIT 1) AS remote_version,
  (SELECT f.built_at FROM fleet.image_facts AS f WHERE f.digest = w.remote_digest AND f.platform IN (c.platform, '') ORDER BY f.platform DESC LIMIT 1) AS remote_built_at,
  coalesce(
    (SELECT f.source FROM fleet.image_facts AS f WHERE f.digest = w.remote_digest AND f.platform IN (c.platform, '') ORDER BY f.platform DESC LIMIT 1),
    c.facts ->> 'source') AS source
FROM fleet.host_images AS hi
JOIN fleet.comparisons AS c ON c.comparison_id = hi.comparison_id
JOIN fleet.rules AS w ON w.ref_id = c.ref_id
JOIN fleet.hosts AS h ON h.host_id = hi.host_id
CROSS JOIN LATERAL (
  SELECT
    max(x.rank) FILTER (WHERE x.excuses) AS excuse,
    max(x.rank) FILTER (WHERE x.kind = 'wait') AS wait,
    max(x.rank) FILTER (WHERE x.kind = 'due_after') AS due_after,
    coalesce(bool_or(x.excuses), false) AS is_excused
  FROM unnest(w.by_host) AS x
  WHERE fleet.fits(h, x.site, x.place, x.label_key, x.label_value)
) AS s
CROSS JOIN LATERAL (
  -- What a container's label says comes before every decision.
  SELECT
    coalesce((hi.own #>> '{policy,wait_s}')::bigint, (greatest(w.wait, s.wait))[5], 0) AS wait_s,
    coalesce((hi.own #>> '{policy,due_after_s}')::bigint, (greatest(w.due_after, s.due_after))[5], 0) AS due_after_s,
    coalesce(hi.own -> 'policy' ? 'wait_s', false) AS waits_by_label
) AS t
WHERE c.verdict = 'outdated';

-- squawk-ignore ban-drop-view
DROP VIEW fleet.ref_rules, fleet.ref_decisions;
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX fleet.decisions_exact_idx, fleet.decisions_prefix_idx;

CREATE OR REPLACE VIEW ops.due AS
SELECT
  site, host, hostname, labels, reference, registry, repository, tag, platform, image_id, local_digests,
  remote_digest, verdict, reason, verdict_since, checked_at, next_check_at, stale, error, running, containers,
  size, created_at, outdated_for, recreate_only, place, tagged, on_host_since, manifest_digest, by_digest,
  due_at, CASE WHEN overdue_at <= now() THEN now() - overdue_at END AS overdue_for, NULL::text AS excused_by,
  'outdated'::text AS cause, available_since,
  local_version, remote_version, remote_built_at, source
FROM fleet.due_rows
WHERE NOT is_excused AND due_at <= now();

CREATE OR REPLACE VIEW ops.excused AS
SELECT
  x.site, x.host, x.hostname, x.labels, x.reference, x.registry, x.repository, x.tag, x.platform, x.image_id,
  x.local_digests, x.remote_digest, x.verdict, x.reason, x.verdict_since, x.checked_at, x.next_check_at, x.stale,
  x.error, x.running, x.containers, x.size, x.created_at, x.outdated_for, x.recreate_only, x.place, x.tagged,
  x.on_host_since, x.manifest_digest, x.by_digest,
  x.due_at, CASE WHEN x.overdue_at <= now() THEN now() - x.overdue_at END AS overdue_for,
  CASE
    WHEN d.decision_id IS NULL THEN 'wait by a container''s label'
    ELSE d.kind || ' by ' || d.decided_by || CASE d.reason WHEN '' THEN '' ELSE ': ' || d.reason END
  END AS excused_by,
  'outdated'::text AS cause, x.available_since, coalesce(d.kind, 'wait') AS kind, d.until, d.decision_id,
  x.local_version, x.remote_version, x.remote_built_at, x.source
FROM fleet.due_rows AS x
LEFT JOIN fleet.decisions AS d ON d.decision_id = coalesce(x.excuse_id, x.wait_id)
WHERE x.is_excused OR x.due_at > now();

-- Images with labels of their own, of which a large fleet has few: counted host by host.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX host_images_policy_idx ON fleet.host_images (comparison_id) WHERE own ? 'policy';

-- The summary reads it at no cost, and what it counts may need many hosts.
CREATE TABLE fleet.due_counts (
  id boolean PRIMARY KEY DEFAULT true CHECK (id),
  counted_at timestamptz NOT NULL DEFAULT now(),
  due bigint NOT NULL CHECK (due >= 0),
  overdue bigint NOT NULL CHECK (overdue BETWEEN 0 AND due),
  waiting bigint NOT NULL CHECK (waiting >= 0),
  excused bigint NOT NULL CHECK (excused >= 0)
);
COMMENT ON TABLE fleet.due_counts IS 'How many images were due when that was last counted: one row, renewed every minute.';
COMMENT ON COLUMN fleet.due_counts.id IS 'Always true: there is one row at most.';
COMMENT ON COLUMN fleet.due_counts.counted_at IS 'When it was counted.';
COMMENT ON COLUMN fleet.due_counts.due IS 'Outdated images that are due, each counted on each host.';
COMMENT ON COLUMN fleet.due_counts.overdue IS 'Of these: overdue.';
COMMENT ON COLUMN fleet.due_counts.waiting IS 'Outdated images within their waiting time.';
COMMENT ON COLUMN fleet.due_counts.excused IS 'Outdated images that a decision excuses.';

ALTER TABLE fleet.trend
  ADD COLUMN due bigint,
  ADD COLUMN overdue bigint,
  ADD COLUMN waiting bigint,
  ADD COLUMN excused bigint;

CREATE OR REPLACE VIEW ops.fleet_summary AS
SELECT
  h.hosts, h.silent_hosts,
  i.images, i.current, i.outdated, i.pinned, i.local, i.missing, i.unknown, i.stale,
  now() AS as_of,
  d.due, d.overdue, d.waiting, d.excused, d.counted_at AS due_as_of
FROM (
  SELECT count(*) AS hosts, count(*) FILTER (WHERE silent_at < now()) AS silent_hosts
  FROM fleet.host_state
  WHERE counts
) AS h
CROSS JOIN (
  SELECT
    coalesce(sum(u.hosts), 0) AS images,
    coalesce(sum(u.hosts) FILTER (WHERE j.verdict = 'current'), 0) AS current,
    coalesce(sum(u.hosts) FILTER (WHERE j.verdict = 'outdated'), 0) AS outdated,
    coalesce(sum(u.hosts) FILTER (WHERE j.verdict = 'pinned'), 0) AS pinned,
    coalesce(sum(u.hosts) FILTER (WHERE j.verdict = 'local'), 0) AS local,
    coalesce(sum(u.hosts) FILTER (WHERE j.verdict = 'missing'), 0) AS missing,
    coalesce(sum(u.hosts) FILTER (WHERE j.verdict = 'unknown'), 0) AS unknown,
    coalesce(sum(u.hosts) FILTER (WHERE j.stale), 0) AS stale
  FROM fleet.usage AS u
  JOIN fleet.judged AS j ON j.comparison_id = u.comparison_id
) AS i
LEFT JOIN fleet.due_counts AS d ON true;

CREATE OR REPLACE VIEW ops.trend AS
SELECT
  taken_at, hosts, silent_hosts, images, current, outdated, pinned, local, missing, unknown, stale,
  due, overdue, waiting, excused
FROM fleet.trend;

DO $$
DECLARE
  said record;
BEGIN
  FOR said IN
    SELECT n.nspname, v.relname, c.attname, w.words
    FROM (VALUES
      ('due', 'Outdated images that are due, each counted on each host; null before they are counted.'),
      ('overdue', 'Of these: overdue.'),
      ('waiting', 'Outdated images within their waiting time.'),
      ('excused', 'Outdated images that a decision excuses.'),
      ('due_as_of', 'When due, overdue, waiting and excused were counted: once a minute.')
    ) AS w (name, words)
    JOIN pg_attribute AS c ON c.attname = w.name
    JOIN pg_class AS v ON v.oid = c.attrelid
    JOIN pg_namespace AS n ON n.oid = v.relnamespace
    WHERE v.oid IN ('ops.fleet_summary'::regclass, 'ops.trend'::regclass, 'fleet.trend'::regclass)
  LOOP
    EXECUTE format('COMMENT ON COLUMN %I.%I.%I IS %L', said.nspname, said.relname, said.attname, said.words);
  END LOOP;
  -- The columns that these views share with ops.outdated say the same there.
  FOR said IN
    SELECT n.nspname, v.relname, c.attname, col_description('ops.outdated'::regclass, o.attnum) AS words
    FROM pg_class AS v
    JOIN pg_namespace AS n ON n.oid = v.relnamespace
    JOIN pg_attribute AS c ON c.attrelid = v.oid
    JOIN pg_attribute AS o ON o.attrelid = 'ops.outdated'::regclass AND o.attname = c.attname
    WHERE v.oid IN ('ops.due'::regclass, 'ops.excused'::regclass, 'fleet.due_rows'::regclass)
      AND c.attname IN ('local_version', 'remote_version', 'remote_built_at', 'source')
  LOOP
    EXECUTE format('COMMENT ON COLUMN %I.%I.%I IS %L', said.nspname, said.relname, said.attname, said.words);
  END LOOP;
END
$$;
COMMENT ON COLUMN fleet.due_rows.is_excused IS 'Whether a decision excuses it on this host.';
COMMENT ON COLUMN fleet.due_rows.waits_by_label IS 'Whether a container''s label says how long it waits.';
COMMENT ON COLUMN fleet.due_rows.host_id IS 'The host.';
COMMENT ON COLUMN fleet.due_rows.comparison_id IS 'The local image.';
COMMENT ON COLUMN fleet.due_rows.ref_id IS 'The reference.';
COMMENT ON COLUMN ops.excused.decision_id IS 'Its key, by which it is undone; null where a container''s label makes it wait.';
-- migrate: rollback
-- Forward only.
