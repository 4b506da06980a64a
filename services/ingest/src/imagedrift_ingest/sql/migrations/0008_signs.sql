-- Every host that speaks counts, also one without an inventory, or with another one than is stored
-- depends: 0007_checks
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '1min';

ALTER TABLE fleet.host_state
  ADD COLUMN counts boolean NOT NULL DEFAULT true,
  ADD COLUMN behind boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN fleet.host_state.counts IS 'Whether it has spoken, and was not retired since.';
COMMENT ON COLUMN fleet.host_state.behind IS 'Whether its last sign of life named other images than those that are stored.';
UPDATE fleet.host_state SET counts = false WHERE content IS NULL;
COMMENT ON COLUMN fleet.hosts.first_seen_at IS 'When it first spoke.';
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX hosts_retired_idx ON fleet.hosts (host_id) WHERE retired_at IS NOT NULL;

CREATE OR REPLACE VIEW ops.hosts AS
SELECT
  h.site, h.host, h.hostname, h.labels,
  s.images::bigint AS images, n.outdated, n.unknown,
  s.last_seen_at, now() - s.last_seen_at AS silent_for, s.silent_at < now() AS silent,
  h.place, h.os, h.arch, h.engine, h.engine_version, h.agent_version,
  CASE
    WHEN s.degraded <> '' THEN s.degraded
    WHEN s.behind THEN 'its newest inventory is not stored: it is on its way, or among ops.dead_letters'
    WHEN s.content IS NULL THEN 'it has told no images yet'
  END AS degraded,
  s.changed_at, h.first_seen_at
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
WHERE s.counts;

CREATE OR REPLACE VIEW ops.host_counts AS
SELECT
  h.site, h.host, h.hostname, h.labels, h.place,
  s.images::bigint AS images, coalesce(n.outdated, 0) AS outdated, coalesce(n.unknown, 0) AS unknown,
  coalesce(n.outdated_running, 0) AS outdated_running
FROM fleet.host_state AS s
LEFT JOIN fleet.hosts AS h ON h.host_id = s.host_id
LEFT JOIN (
  SELECT
    hi.host_id,
    count(*) FILTER (WHERE c.verdict = 'outdated') AS outdated,
    count(*) FILTER (WHERE c.verdict = 'unknown') AS unknown,
    count(*) FILTER (WHERE c.verdict = 'outdated' AND hi.running > 0) AS outdated_running
  FROM fleet.host_images AS hi
  JOIN fleet.comparisons AS c ON c.comparison_id = hi.comparison_id
  WHERE c.verdict IN ('outdated', 'unknown')
  GROUP BY hi.host_id
) AS n ON n.host_id = s.host_id
WHERE s.counts;

COMMENT ON COLUMN ops.host_counts.outdated_running IS 'Of the images: outdated, with a running container.';

CREATE OR REPLACE VIEW ops.fleet_summary AS
SELECT
  h.hosts, h.silent_hosts,
  i.images, i.current, i.outdated, i.pinned, i.local, i.missing, i.unknown, i.stale,
  now() AS as_of
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
  WHERE s.counts AND h.place <> ''
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
