-- What is due on one host is planned in less time: fewer orders of its joins are weighed
-- depends: 0037_places
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '1min';

CREATE OR REPLACE VIEW fleet.rules AS
SELECT
  r.ref_id, r.reference, r.registry, r.repository, r.tag,
  a.remote_digest, a.checked_at, a.next_check_at, a.failure, a.error,
  a.excuse, a.wait, a.due_after, a.by_host, a.is_excused,
  a.version_excuse, a.within, a.track, a.skipped
FROM fleet.image_refs AS r
LEFT JOIN LATERAL (
SELECT
  a.remote_digest, coalesce(a.checked_at, a.attempted_at) AS checked_at, a.next_check_at, a.failure, a.error,
  w.excuse, w.wait, w.due_after, w.by_host, w.is_excused,
  w.version_excuse, w.within, w.track, w.skipped
FROM (SELECT) AS one
LEFT JOIN fleet.answers AS a ON a.ref_id = r.ref_id
CROSS JOIN LATERAL (
  SELECT
    max(x.rank) FILTER (WHERE x.excuses AND x.selectors = 0) AS excuse,
    max(x.rank) FILTER (WHERE x.kind = 'wait' AND x.selectors = 0) AS wait,
    max(x.rank) FILTER (WHERE x.kind = 'due_after' AND x.selectors = 0) AS due_after,
    array_agg(ROW (x.kind, x.excuses, x.site, x.place, x.label_key, x.label_value, x.rank, x.skipped)::fleet.host_rule)
      FILTER (WHERE x.selectors > 0) AS by_host,
    coalesce(bool_or(x.excuses AND x.selectors = 0), false) AS is_excused,
    max(x.rank) FILTER (WHERE x.excuses AND x.kind <> 'skip' AND x.selectors = 0) AS version_excuse,
    max(x.rank) FILTER (WHERE x.kind IN ('within', 'pin') AND x.selectors = 0) AS within,
    max(x.rank) FILTER (WHERE x.kind = 'track' AND x.selectors = 0) AS track,
    string_agg(x.skipped, ' ') FILTER (WHERE x.selectors = 0) AS skipped
  FROM (
    SELECT
      d.kind, d.site, d.place, d.label_key, d.label_value,
      d.kind IN ('ignore', 'accept', 'snooze') OR (d.kind = 'skip' AND d.remote_digest = a.remote_digest) AS excuses,
      num_nonnulls(d.site, d.place, d.label_key) AS selectors,
      array_to_string(d.versions, ' ') AS skipped,
      ARRAY[
        (NOT d.is_prefix)::integer, octet_length(d.pattern), num_nonnulls(d.site, d.place, d.label_key),
        d.decision_id,
        CASE d.kind
          WHEN 'within' THEN array_position('{patch,minor,major}', d.step)
          WHEN 'pin' THEN 0
          WHEN 'track' THEN (SELECT count(*) FROM fleet.versions AS v WHERE v.ref_id = r.ref_id AND v.track = d.track)
          ELSE d.span_s
        END
      ]::bigint[] AS rank
    FROM fleet.decisions AS d
    WHERE d.pattern = ANY (ARRAY(SELECT left(r.reference, n) FROM generate_series(0, length(r.reference)) AS n))
      AND (d.is_prefix OR d.pattern = r.reference)
      AND d.kind <> 'undo'
      AND (d.until IS NULL OR d.until > now())
      AND NOT EXISTS (SELECT FROM fleet.decisions AS u WHERE u.undoes = d.decision_id)
    OFFSET 0 -- each rank is put together once
  ) AS x
) AS w
OFFSET 0 -- planned apart: few ways to join are left to be weighed
) AS a ON true;

CREATE OR REPLACE VIEW fleet.due_images AS
SELECT
  h.site, h.host, h.hostname, h.labels,
  w.reference, w.registry, w.repository, w.tag,
  c.platform, c.image_id, c.repo_digests AS local_digests, w.remote_digest,
  c.verdict, c.reason, greatest(c.verdict_since, hi.since) AS verdict_since,
  w.checked_at, w.next_check_at, w.failure IS NOT NULL AS stale,
  nullif(concat_ws('; ',
      CASE WHEN c.by_digest AND x.step IS NULL THEN 'a container names the digest beside the tag: change the digest where the container is defined, and recreate it' END,
      w.error,
      CASE WHEN c.reason = 'digest_differs' AND x.step IS NULL THEN 'whether this very image was replaced is not known: '
        || (SELECT d.error FROM fleet.descriptions AS d WHERE d.digest = w.remote_digest) END), '') AS error,
  hi.running, coalesce(hi.containers, '{}') AS containers,
  coalesce((hi.own ->> 'size')::bigint, c.size_bytes) AS size,
  CASE WHEN hi.own ? 'created_at' THEN (hi.own ->> 'created_at')::timestamptz ELSE c.created_at END AS created_at,
  CASE WHEN x.step IS NULL THEN now() - greatest(c.verdict_since, hi.since) END AS outdated_for,
  x.step IS NULL AND hi.shared AND NOT hi.tagged AND NOT c.by_digest AND EXISTS (
    SELECT FROM fleet.host_images AS other
    JOIN fleet.comparisons AS new ON new.comparison_id = other.comparison_id
    WHERE other.host_id = hi.host_id AND other.tagged AND new.ref_id = c.ref_id
      AND new.verdict = 'current' AND new.platform = c.platform
    OFFSET 0 -- looked up for the rows that are shown, and never hashed for the whole fleet
  ) AS recreate_only,
  h.place, hi.tagged, hi.since AS on_host_since, c.manifest_digest, c.by_digest,
  -- An image that is outdated when it is first seen has its verdict since its own digest was replaced
  -- (`add_comparisons`), so this is the start of a period of the tag, and no host changes it.
  x.since AS available_since,
  x.since + make_interval(secs => t.wait_s) AS due_at,
  x.since + make_interval(secs => t.wait_s + t.due_after_s) AS overdue_at,
  CASE
    WHEN x.step IS NULL THEN (greatest(w.excuse, s.excuse))[4]
    WHEN w.version_excuse IS NOT NULL OR s.version_excuse IS NOT NULL THEN (greatest(w.version_excuse, s.version_excuse))[4]
    WHEN t.skipped IS NOT NULL THEN (
      SELECT max(d.decision_id) FROM fleet.decisions AS d
      WHERE d.kind = 'skip' AND d.pattern = w.reference AND (SELECT k.tag FROM fleet.image_refs AS k WHERE k.ref_id = x.candidate_ref_id) = ANY (d.versions)
        AND (d.until IS NULL OR d.until > now()) AND fleet.fits(h, d.site, d.place, d.label_key, d.label_value)
        AND NOT EXISTS (SELECT FROM fleet.decisions AS u WHERE u.undoes = d.decision_id))
  END AS excuse_id,
  CASE WHEN NOT t.waits_by_label THEN (greatest(w.wait, s.wait))[4] END AS wait_id,
  CASE
    WHEN x.step IS NULL THEN w.is_excused OR s.is_excused
    WHEN t.skipped IS NULL THEN s.version_excuse IS NOT NULL OR w.version_excuse IS NOT NULL
    ELSE s.version_excuse IS NOT NULL OR w.version_excuse IS NOT NULL
      OR (SELECT k.tag FROM fleet.image_refs AS k WHERE k.ref_id = x.candidate_ref_id) = ANY (string_to_array(t.skipped, ' '))
  END AS is_excused,
  hi.host_id, hi.comparison_id, x.ref_id,
  c.facts ->> 'version' AS local_version,
  CASE WHEN x.step IS NULL THEN (SELECT f.version FROM fleet.image_facts AS f WHERE f.digest = w.remote_digest AND f.platform IN (c.platform, '') ORDER BY f.platform DESC LIMIT 1) END AS remote_version,
  CASE WHEN x.step IS NULL THEN (SELECT f.built_at FROM fleet.image_facts AS f WHERE f.digest = w.remote_digest AND f.platform IN (c.platform, '') ORDER BY f.platform DESC LIMIT 1) END AS remote_built_at,
  coalesce(
    (SELECT f.source FROM fleet.image_facts AS f WHERE f.digest = w.remote_digest AND f.platform IN (c.platform, '') ORDER BY f.platform DESC LIMIT 1),
    c.facts ->> 'source') AS source,
  CASE WHEN x.step IS NULL THEN 'outdated' ELSE 'version' END AS cause,
  (SELECT k.tag FROM fleet.image_refs AS k WHERE k.ref_id = x.candidate_ref_id) AS newest,
  x.step,
  -- For a host that no decision of its own and no label is about: known before hosts are read.
  CASE WHEN x.step IS NULL THEN w.is_excused ELSE w.version_excuse IS NOT NULL END AS is_excused_for_all,
  x.since + make_interval(secs => coalesce(w.wait[5], 0)) AS due_at_for_all,
  x.step IS NULL OR array_position('{patch,minor,major}', x.step) <= w.within[5] AS is_asked_for_all,
  w.by_host IS NOT NULL OR (x.step IS NOT NULL AND w.skipped IS NOT NULL) OR EXISTS (
    SELECT FROM fleet.host_images AS p
    WHERE p.comparison_id = c.comparison_id AND p.own ? 'policy'
    OFFSET 0
  ) AS is_by_host,
  EXISTS (SELECT FROM fleet.host_images AS p WHERE p.comparison_id = c.comparison_id AND p.own ? 'policy' OFFSET 0) AS is_labelled
FROM fleet.causes AS x
-- CASE, and NOT below, as OR and <= are taken to leave few rows: then all are read and sorted.
JOIN fleet.comparisons AS c ON c.ref_id = x.ref_id AND CASE WHEN x.comparison_id IS NULL THEN true ELSE c.comparison_id = x.comparison_id END
JOIN fleet.rules AS w ON w.ref_id = c.ref_id
JOIN fleet.host_images AS hi ON hi.comparison_id = c.comparison_id
JOIN fleet.hosts AS h ON h.host_id = hi.host_id
-- Joined last, as its CASE, which always holds, needs all before it: each other place in the order of
-- joins would be weighed, for a third of the time that planning takes.
LEFT JOIN LATERAL (
  SELECT
    max(o.rank) FILTER (WHERE o.excuses) AS excuse,
    max(o.rank) FILTER (WHERE o.kind = 'wait') AS wait,
    max(o.rank) FILTER (WHERE o.kind = 'due_after') AS due_after,
    coalesce(bool_or(o.excuses), false) AS is_excused,
    max(o.rank) FILTER (WHERE o.excuses AND o.kind <> 'skip') AS version_excuse,
    max(o.rank) FILTER (WHERE o.kind IN ('within', 'pin')) AS within,
    max(o.rank) FILTER (WHERE o.kind = 'track') AS track,
    string_agg(o.skipped, ' ') AS skipped
  FROM unnest(CASE WHEN hi.host_id = h.host_id AND x.ref_id = c.ref_id THEN w.by_host END) AS o
  WHERE fleet.fits(h, o.site, o.place, o.label_key, o.label_value)
) AS s ON true
CROSS JOIN LATERAL (
  -- What a container's label says comes before every decision.
  SELECT
    coalesce((hi.own #>> '{policy,wait_s}')::bigint, (greatest(w.wait, s.wait))[5], 0) AS wait_s,
    coalesce((hi.own #>> '{policy,due_after_s}')::bigint, (greatest(w.due_after, s.due_after))[5], 0) AS due_after_s,
    coalesce(hi.own -> 'policy' ? 'wait_s', false) AS waits_by_label,
    CASE
      WHEN hi.own -> 'policy' ? 'pin' THEN 0
      ELSE coalesce(array_position('{patch,minor,major}', hi.own #>> '{policy,within}'), (greatest(w.within, s.within))[5], 0)
    END AS within,
    CASE
      WHEN hi.own -> 'policy' ? 'track' THEN EXISTS (SELECT FROM fleet.versions AS v WHERE v.ref_id = c.ref_id AND v.track = hi.own #>> '{policy,track}' OFFSET 0)
      ELSE coalesce((greatest(w.track, s.track))[5], 1) = 1
    END AS is_own_track,
    nullif(concat_ws(' ', w.skipped, s.skipped), '') AS skipped
) AS t
WHERE x.state IN ('outdated', 'newer')
  -- Where nothing asks for versions, none is looked at.
  AND (x.step IS NULL OR (SELECT true FROM fleet.decisions AS d WHERE d.kind = 'within' LIMIT 1)
    OR (SELECT true FROM fleet.host_images AS p WHERE p.own ? 'policy' LIMIT 1))
  AND (x.step IS NULL OR (c.repo_digests <> '{}' AND t.is_own_track AND array_position('{patch,minor,major}', x.step) <= t.within));
-- migrate: rollback
-- Forward only.
