-- What ingest leaves out of an inventory, and moments that every client can read
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

-- Size and date are in no verdict, and were those of the first host for all. The eighth column: where
-- it is null, a row is as large as before.
ALTER TABLE fleet.host_images
  ADD COLUMN own jsonb CHECK (jsonb_typeof(own) = 'object');
COMMENT ON COLUMN fleet.host_images.own IS 'Size and date of the image as this host tells them, where they are not those of fleet.comparisons; else null.';
COMMENT ON COLUMN fleet.comparisons.size_bytes IS 'Size on disk, as the first host told it.';
COMMENT ON COLUMN fleet.comparisons.created_at IS 'When the image was built, as the first host told it.';

CREATE OR REPLACE VIEW ops.comparisons AS
SELECT
  h.site, h.host, h.hostname, h.labels,
  r.reference, r.registry, r.repository, r.tag,
  c.platform, c.image_id, c.repo_digests AS local_digests, a.remote_digest,
  c.verdict, c.reason, greatest(c.verdict_since, hi.since) AS verdict_since,
  CASE WHEN c.verdict NOT IN ('pinned', 'local') THEN coalesce(a.checked_at, a.attempted_at) END AS checked_at,
  CASE WHEN c.verdict NOT IN ('pinned', 'local') THEN a.next_check_at END AS next_check_at,
  coalesce(a.failure IS NOT NULL AND (a.remote_digest IS NOT NULL OR a.gone)
    AND c.verdict NOT IN ('pinned', 'local') AND c.reason <> 'digest_lost', false) AS stale,
  CASE
    WHEN c.verdict IN ('pinned', 'local') THEN NULL
    WHEN r.policy = 'machine_bound' THEN 'the registry''s name means another machine on every host: never asked centrally'
    WHEN c.reason = 'digest_lost' THEN 'the engine no longer knows under which digest it got this image: pull the tag again, and recreate the container'
    ELSE nullif(concat_ws('; ',
      CASE WHEN c.verdict = 'outdated' AND c.by_digest THEN 'a container names the digest beside the tag: change the digest where the container is defined, and recreate it' END,
      a.error,
      CASE WHEN c.reason = 'digest_differs' THEN 'whether this very image was replaced is not known: ' || d.error END), '')
  END AS error,
  hi.running, coalesce(hi.containers, '{}') AS containers,
  coalesce((hi.own ->> 'size')::bigint, c.size_bytes) AS size,
  CASE WHEN hi.own ? 'created_at' THEN (hi.own ->> 'created_at')::timestamptz ELSE c.created_at END AS created_at,
  h.place, hi.tagged, hi.since AS on_host_since,
  c.manifest_digest, c.by_digest
FROM fleet.host_images AS hi
JOIN fleet.comparisons AS c ON c.comparison_id = hi.comparison_id
LEFT JOIN fleet.image_refs AS r ON r.ref_id = c.ref_id
LEFT JOIN fleet.answers AS a ON a.ref_id = c.ref_id
LEFT JOIN fleet.descriptions AS d ON d.digest = a.remote_digest
LEFT JOIN fleet.hosts AS h ON h.host_id = hi.host_id;
CREATE OR REPLACE VIEW ops.outdated AS
SELECT
  h.site, h.host, h.hostname, h.labels,
  r.reference, r.registry, r.repository, r.tag,
  c.platform, c.image_id, c.repo_digests AS local_digests, a.remote_digest,
  c.verdict, c.reason, greatest(c.verdict_since, hi.since) AS verdict_since,
  coalesce(a.checked_at, a.attempted_at) AS checked_at, a.next_check_at,
  coalesce(a.failure IS NOT NULL, false) AS stale,
  nullif(concat_ws('; ',
      CASE WHEN c.by_digest THEN 'a container names the digest beside the tag: change the digest where the container is defined, and recreate it' END,
      a.error,
      CASE WHEN c.reason = 'digest_differs' THEN 'whether this very image was replaced is not known: ' || d.error END), '') AS error,
  hi.running, coalesce(hi.containers, '{}') AS containers,
  coalesce((hi.own ->> 'size')::bigint, c.size_bytes) AS size,
  CASE WHEN hi.own ? 'created_at' THEN (hi.own ->> 'created_at')::timestamptz ELSE c.created_at END AS created_at,
  now() - greatest(c.verdict_since, hi.since) AS outdated_for,
  hi.shared AND NOT hi.tagged AND NOT c.by_digest AND EXISTS (
    SELECT FROM fleet.host_images AS other
    JOIN fleet.comparisons AS new ON new.comparison_id = other.comparison_id
    WHERE other.host_id = hi.host_id AND other.tagged AND new.ref_id = c.ref_id
      AND new.verdict = 'current' AND new.platform = c.platform
  ) AS recreate_only,
  h.place, hi.tagged, hi.since AS on_host_since,
  c.manifest_digest, c.by_digest
FROM fleet.host_images AS hi
JOIN fleet.comparisons AS c ON c.comparison_id = hi.comparison_id
LEFT JOIN fleet.image_refs AS r ON r.ref_id = c.ref_id
LEFT JOIN fleet.answers AS a ON a.ref_id = c.ref_id
LEFT JOIN fleet.descriptions AS d ON d.digest = a.remote_digest
LEFT JOIN fleet.hosts AS h ON h.host_id = hi.host_id
WHERE c.verdict = 'outdated';

-- Moments that others told. `infinity`, as which some clients write the years 1 and 9999, is one that
-- others cannot read: a single row broke a question over the whole fleet.
UPDATE fleet.comparisons SET created_at = NULL WHERE NOT isfinite(created_at);
UPDATE fleet.comparisons SET verdict_since = now() WHERE NOT isfinite(verdict_since);
UPDATE fleet.answers SET remote_since = now() WHERE NOT isfinite(remote_since);
UPDATE fleet.answers SET checked_at = NULL WHERE NOT isfinite(checked_at);
UPDATE fleet.answers SET attempted_at = now() WHERE NOT isfinite(attempted_at);
UPDATE fleet.answers SET failing_since = now() WHERE NOT isfinite(failing_since);
UPDATE fleet.answers SET next_check_at = now() WHERE NOT isfinite(next_check_at);
DELETE FROM fleet.remote_history WHERE NOT isfinite(valid_from);
UPDATE fleet.remote_history SET valid_to = valid_from WHERE NOT isfinite(valid_to);
UPDATE fleet.descriptions SET described_at = NULL WHERE NOT isfinite(described_at);
UPDATE fleet.descriptions SET next_ask_at = now() WHERE NOT isfinite(next_ask_at);
UPDATE fleet.registry_states SET rate_reset_at = NULL WHERE NOT isfinite(rate_reset_at);
UPDATE fleet.registry_states SET blocked_until = NULL WHERE NOT isfinite(blocked_until);
UPDATE fleet.registry_states SET get_blocked_until = NULL WHERE NOT isfinite(get_blocked_until);
UPDATE fleet.registry_states SET observed_at = now() WHERE NOT isfinite(observed_at);
UPDATE fleet.dead_letters SET received_at = now() WHERE NOT isfinite(received_at);
ALTER TABLE fleet.comparisons
  -- squawk-ignore constraint-missing-not-valid
  ADD CONSTRAINT comparisons_finite_check CHECK (
    isfinite(created_at)
    AND isfinite(verdict_since));
ALTER TABLE fleet.answers
  -- squawk-ignore constraint-missing-not-valid
  ADD CONSTRAINT answers_finite_check CHECK (
    isfinite(remote_since)
    AND isfinite(checked_at)
    AND isfinite(attempted_at)
    AND isfinite(failing_since)
    AND isfinite(next_check_at));
ALTER TABLE fleet.remote_history
  -- squawk-ignore constraint-missing-not-valid
  ADD CONSTRAINT remote_history_finite_check CHECK (
    isfinite(valid_from)
    AND isfinite(valid_to));
ALTER TABLE fleet.descriptions
  -- squawk-ignore constraint-missing-not-valid
  ADD CONSTRAINT descriptions_finite_check CHECK (
    isfinite(described_at)
    AND isfinite(next_ask_at));
ALTER TABLE fleet.registry_states
  -- squawk-ignore constraint-missing-not-valid
  ADD CONSTRAINT registry_states_finite_check CHECK (
    isfinite(rate_reset_at)
    AND isfinite(blocked_until)
    AND isfinite(get_blocked_until)
    AND isfinite(observed_at));
ALTER TABLE fleet.dead_letters
  -- squawk-ignore constraint-missing-not-valid
  ADD CONSTRAINT dead_letters_finite_check CHECK (
    isfinite(received_at));
-- migrate: rollback
-- Forward only.
