-- Counts kept where they change, so that questions about all hosts read less
-- depends: 0003_upkeep
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '10min';

ALTER TABLE fleet.host_state
  ADD COLUMN images integer NOT NULL DEFAULT 0,
  ADD COLUMN silent_at timestamptz NOT NULL DEFAULT 'epoch';
COMMENT ON COLUMN fleet.host_state.images IS 'How many images it has.';
COMMENT ON COLUMN fleet.host_state.silent_at IS 'When it counts as silent, unless it speaks before: three intervals after its last sign of life.';
UPDATE fleet.host_state AS s SET
  images = (SELECT count(*) FROM fleet.host_images AS hi WHERE hi.host_id = s.host_id),
  last_seen_at = greatest(s.last_seen_at, 'epoch'),
  silent_at = greatest(s.last_seen_at, 'epoch') + make_interval(secs => 3 * s.interval_s);

-- It is small, and read first: a parallel scan of it keeps the planner from its indexes.
ALTER TABLE fleet.comparisons SET (parallel_workers = 0);

CREATE OR REPLACE VIEW ops.host_counts AS
SELECT
  h.site, h.host, h.hostname, h.labels, h.place,
  s.images::bigint AS images, coalesce(n.outdated, 0) AS outdated, coalesce(n.unknown, 0) AS unknown
FROM fleet.host_state AS s
JOIN fleet.hosts AS h ON h.host_id = s.host_id
LEFT JOIN (
  SELECT
    hi.host_id,
    count(*) FILTER (WHERE c.verdict = 'outdated') AS outdated,
    count(*) FILTER (WHERE c.verdict = 'unknown') AS unknown
  FROM fleet.host_images AS hi
  JOIN fleet.comparisons AS c ON c.comparison_id = hi.comparison_id
  WHERE c.verdict IN ('outdated', 'unknown')
  GROUP BY hi.host_id
) AS n ON n.host_id = s.host_id
WHERE h.retired_at IS NULL AND s.content IS NOT NULL;

CREATE OR REPLACE VIEW ops.hosts AS
SELECT
  h.site, h.host, h.hostname, h.labels,
  s.images::bigint AS images, n.outdated, n.unknown,
  s.last_seen_at, now() - s.last_seen_at AS silent_for, s.silent_at < now() AS silent,
  h.place, h.os, h.arch, h.engine, h.engine_version, h.agent_version,
  nullif(s.degraded, '') AS degraded, s.changed_at, h.first_seen_at
FROM fleet.hosts AS h
JOIN fleet.host_state AS s ON s.host_id = h.host_id
LEFT JOIN LATERAL (
  SELECT
    count(*) FILTER (WHERE c.verdict = 'outdated') AS outdated,
    count(*) FILTER (WHERE c.verdict = 'unknown') AS unknown
  FROM fleet.host_images AS hi
  JOIN fleet.comparisons AS c ON c.comparison_id = hi.comparison_id
  WHERE hi.host_id = h.host_id
) AS n ON true
WHERE h.retired_at IS NULL AND s.content IS NOT NULL;

CREATE OR REPLACE VIEW ops.fleet_summary AS
SELECT
  h.hosts, h.silent_hosts,
  i.images, i.current, i.outdated, i.pinned, i.local, i.missing, i.unknown, i.stale,
  now() AS as_of
FROM (
  -- Retired hosts and those without an inventory have no content.
  SELECT count(*) AS hosts, count(*) FILTER (WHERE silent_at < now()) AS silent_hosts
  FROM fleet.host_state
  WHERE content IS NOT NULL
) AS h
CROSS JOIN (
  SELECT
    coalesce(sum(u.n), 0)::bigint AS images,
    coalesce(sum(u.n) FILTER (WHERE j.verdict = 'current'), 0)::bigint AS current,
    coalesce(sum(u.n) FILTER (WHERE j.verdict = 'outdated'), 0)::bigint AS outdated,
    coalesce(sum(u.n) FILTER (WHERE j.verdict = 'pinned'), 0)::bigint AS pinned,
    coalesce(sum(u.n) FILTER (WHERE j.verdict = 'local'), 0)::bigint AS local,
    coalesce(sum(u.n) FILTER (WHERE j.verdict = 'missing'), 0)::bigint AS missing,
    coalesce(sum(u.n) FILTER (WHERE j.verdict = 'unknown'), 0)::bigint AS unknown,
    coalesce(sum(u.n) FILTER (WHERE j.stale), 0)::bigint AS stale
  FROM (SELECT comparison_id, count(*) AS n FROM fleet.host_images GROUP BY comparison_id) AS u
  JOIN fleet.judged AS j ON j.comparison_id = u.comparison_id
) AS i;

CREATE OR REPLACE VIEW ops.places AS
WITH counted AS (
  SELECT
    h.host_id, string_to_array(h.place, '/') AS parts, s.silent_at < now() AS silent,
    coalesce(o.images, 0) AS outdated_images
  FROM fleet.hosts AS h
  JOIN fleet.host_state AS s ON s.host_id = h.host_id
  LEFT JOIN (
    SELECT hi.host_id, count(*) AS images
    FROM fleet.comparisons AS c
    JOIN fleet.host_images AS hi ON hi.comparison_id = c.comparison_id
    WHERE c.verdict = 'outdated'
    GROUP BY hi.host_id
  ) AS o ON o.host_id = h.host_id
  WHERE h.retired_at IS NULL AND s.content IS NOT NULL AND h.place <> ''
)
SELECT
  array_to_string(c.parts[:l.level], '/') AS place, l.level,
  count(*) AS hosts,
  count(*) FILTER (WHERE c.outdated_images > 0) AS outdated,
  count(*) FILTER (WHERE c.silent) AS silent,
  sum(c.outdated_images)::bigint AS outdated_images
FROM counted AS c
CROSS JOIN LATERAL generate_series(1, cardinality(c.parts)) AS l (level)
GROUP BY 1, 2;
-- migrate: rollback
-- Forward only.
