-- What ingest leaves out of an inventory
-- depends: 0009_truth
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '10min';

ALTER TABLE fleet.host_state
  ADD COLUMN left_out jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(left_out) = 'object');
COMMENT ON COLUMN fleet.host_state.left_out IS 'How many images of its newest inventory are not stored, by reason.';

CREATE OR REPLACE VIEW ops.hosts AS
SELECT
  h.site, h.host, h.hostname, h.labels,
  s.images::bigint AS images, n.outdated, n.unknown,
  s.last_seen_at, now() - s.last_seen_at AS silent_for, s.silent_at < now() AS silent,
  h.place, h.os, h.arch, h.engine, h.engine_version, h.agent_version,
  (CASE
    WHEN s.boot_returns >= 2 AND s.boot_returned_at > now() - make_interval(secs => 4.0 * s.interval_s) - interval '5 minutes'
      THEN 'two machines report under this host id: ' || concat_ws(' and ', h.hostname,
        CASE WHEN h.renamed_at > now() - interval '1 day' THEN nullif(h.hostname_before, '') END)
        || ' (agents started as ' || s.boot || ' and ' || s.boots_before[1] || '): give each an id of its own'
    WHEN s.degraded <> '' THEN s.degraded
    WHEN s.behind AND EXISTS (
      SELECT FROM fleet.dead_letters AS l
      WHERE l.subject = 'drift.v1.inventory.' || h.site || '.' || h.host
        AND l.received_at > coalesce(s.changed_at, '-infinity')
    ) THEN 'its newest inventory is not stored: it was refused, and ops.dead_letters says why'
    WHEN s.behind THEN 'its newest inventory is not stored: it is on its way'
    WHEN s.content IS NULL THEN 'it has told no images yet'
  END) COLLATE "default" AS degraded,
  s.changed_at, h.first_seen_at, h.skipped || s.left_out AS skipped
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
COMMENT ON COLUMN ops.hosts.skipped IS 'How many images and containers it does not report in full, or ingest does not store, by reason; {} when none.';
-- migrate: rollback
-- Forward only.
