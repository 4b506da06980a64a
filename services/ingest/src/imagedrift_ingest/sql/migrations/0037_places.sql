-- The hosts of a place are found by an index; the new image of an outdated one is looked up, not hashed
-- depends: 0036_plans_and_refusals
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '1min';

-- A row per host, read once: as short as the statement time-out above.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX hosts_place_idx ON fleet.hosts (place);

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
    OFFSET 0 -- looked up for the rows that are shown, and never hashed for the whole fleet
  ) AS recreate_only,
  h.place, hi.tagged, hi.since AS on_host_since,
  c.manifest_digest, c.by_digest,
  c.facts ->> 'version' AS local_version,
  (SELECT f.version FROM fleet.image_facts AS f WHERE f.digest = a.remote_digest AND f.platform IN (c.platform, '') ORDER BY f.platform DESC LIMIT 1) AS remote_version,
  (SELECT f.built_at FROM fleet.image_facts AS f WHERE f.digest = a.remote_digest AND f.platform IN (c.platform, '') ORDER BY f.platform DESC LIMIT 1) AS remote_built_at,
  coalesce(
    (SELECT f.source FROM fleet.image_facts AS f WHERE f.digest = a.remote_digest AND f.platform IN (c.platform, '') ORDER BY f.platform DESC LIMIT 1),
    c.facts ->> 'source') AS source,
  CASE WHEN c.facts ? 'version' THEN (
    SELECT (f.version, f.source) IS NOT DISTINCT FROM (c.facts ->> 'version', c.facts ->> 'source')
    FROM fleet.image_facts AS f
    WHERE f.digest = c.facts ->> 'base_digest' AND f.platform IN (c.platform, '')
    ORDER BY f.platform DESC
    LIMIT 1
  ) END AS version_inherited,
  c.facts ->> 'base_name' AS base_name,
  CASE WHEN c.facts ? 'base_name' THEN (
    SELECT s.is_outdated FROM fleet.base_states AS s
    WHERE s.name = c.facts ->> 'base_name' AND s.digest = c.facts ->> 'base_digest' AND s.platform = c.platform
  ) END AS base_outdated,
  CASE WHEN c.facts ? 'base_name' THEN (
    SELECT s.checked_at FROM fleet.base_states AS s
    WHERE s.name = c.facts ->> 'base_name' AND s.digest = c.facts ->> 'base_digest' AND s.platform = c.platform
  ) END AS base_checked_at,
  CASE WHEN c.facts ? 'base_name' THEN nullif(coalesce((
    SELECT s.error FROM fleet.base_states AS s
    WHERE s.name = c.facts ->> 'base_name' AND s.digest = c.facts ->> 'base_digest' AND s.platform = c.platform
  ), CASE
    WHEN c.facts ? 'base_digest' THEN 'bases are not followed (IMAGEDRIFT_BASES), or this one was not looked at yet'
    ELSE 'no label tells the digest of the base'
  END), '') END AS base_error
FROM fleet.host_images AS hi
JOIN fleet.comparisons AS c ON c.comparison_id = hi.comparison_id
LEFT JOIN fleet.image_refs AS r ON r.ref_id = c.ref_id
LEFT JOIN fleet.answers AS a ON a.ref_id = c.ref_id
LEFT JOIN fleet.descriptions AS d ON d.digest = a.remote_digest
LEFT JOIN fleet.hosts AS h ON h.host_id = hi.host_id
WHERE c.verdict = 'outdated';
-- migrate: rollback
-- Forward only.
