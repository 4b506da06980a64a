-- Whether a host has said that it has other images than those that are stored
-- depends: 0007_checks
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '1min';

ALTER TABLE fleet.host_state ADD COLUMN behind boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN fleet.host_state.behind IS 'Whether its last sign of life named other images than those that are stored.';

CREATE OR REPLACE VIEW ops.hosts AS
SELECT
  h.site, h.host, h.hostname, h.labels,
  s.images::bigint AS images, n.outdated, n.unknown,
  s.last_seen_at, now() - s.last_seen_at AS silent_for, s.silent_at < now() AS silent,
  h.place, h.os, h.arch, h.engine, h.engine_version, h.agent_version,
  CASE
    WHEN s.degraded <> '' THEN s.degraded
    WHEN s.behind THEN 'its newest inventory is not stored: it is on its way, or among ops.dead_letters'
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
WHERE h.retired_at IS NULL AND s.content IS NOT NULL;
-- migrate: rollback
-- Forward only.
