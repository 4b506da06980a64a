-- Newer versions are due, too, where a decision or a container's label asks for them
-- depends: 0027_list_bounds
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '1min';

-- What has been due longest is found by these: both have the states of fleet.due_images, in one order.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX newer_since_idx ON fleet.newer (since) WHERE state IN ('outdated', 'newer');
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX comparisons_since_idx ON fleet.comparisons (verdict_since) WHERE verdict IN ('outdated', 'newer');
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX fleet.comparisons_outdated_idx;
-- A decision is stored by hand, so nobody waits for this.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX decisions_within_idx ON fleet.decisions (pattern) WHERE kind = 'within';

-- A skip is about the remote digest, about versions by their tags, or about both.
ALTER TABLE fleet.decisions
  ADD COLUMN versions text[] CHECK (cardinality(versions) BETWEEN 1 AND 3 AND octet_length(array_to_string(versions, ' ')) <= 400),
  -- squawk-ignore ban-drop-constraint
  DROP CONSTRAINT decisions_check2,
  -- squawk-ignore constraint-missing-not-valid
  ADD CONSTRAINT decisions_skip_check CHECK ((kind = 'skip') = (remote_digest IS NOT NULL OR versions IS NOT NULL));
COMMENT ON COLUMN fleet.decisions.versions IS 'The newer versions that are skipped, by their tags; the next one is not.';

-- The versions that are skipped stand in a row, as an array of arrays has one length.
ALTER TYPE fleet.host_rule ADD ATTRIBUTE skipped text;

-- What a reference is asked for by decisions about versions: `within` has the largest step, as its place
-- among patch, minor and major, and `pin` has none; `track` has 1 where it is the reference's own.
CREATE OR REPLACE VIEW fleet.rules AS
SELECT
  r.ref_id, r.reference, r.registry, r.repository, r.tag,
  a.remote_digest, a.checked_at, a.next_check_at, a.failure, a.error,
  a.excuse, a.wait, a.due_after, a.by_host, a.is_excused,
  a.version_excuse, a.within, a.track, a.skipped
FROM fleet.image_refs AS r
CROSS JOIN LATERAL (
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
) AS a;
COMMENT ON COLUMN fleet.rules.version_excuse IS 'Rank of the decision that excuses newer versions, too, on every host.';
COMMENT ON COLUMN fleet.rules.within IS 'Rank of the decision that says which newer versions are due on every host: [5] is the largest step, 1 for patch; 0: none.';
COMMENT ON COLUMN fleet.rules.track IS 'Rank of the decision that names a track on every host: [5] is 1 where it is the reference''s own, else 0.';
COMMENT ON COLUMN fleet.rules.skipped IS 'The newer versions that are skipped on every host.';

-- The other way round, from decisions to references: what is in no part of it is read no further. No
-- reference has a character behind `~`, so what begins with a pattern is a range of the index.
CREATE VIEW fleet.put_off AS
SELECT r.ref_id, d.decision_id
FROM fleet.decisions AS d
JOIN fleet.image_refs AS r
  ON r.reference >= d.pattern AND r.reference < d.pattern || '~' AND (d.is_prefix OR r.reference = d.pattern)
WHERE (d.kind IN ('ignore', 'accept', 'snooze', 'skip') OR (d.kind = 'wait' AND d.span_s > 0))
  AND (d.until IS NULL OR d.until > now())
  AND NOT EXISTS (SELECT FROM fleet.decisions AS u WHERE u.undoes = d.decision_id);
COMMENT ON VIEW fleet.put_off IS 'References with a decision in force that excuses images or makes them wait, on some host.';
COMMENT ON COLUMN fleet.put_off.ref_id IS 'The reference.';
COMMENT ON COLUMN fleet.put_off.decision_id IS 'The decision.';

-- Why an image may be due: each row of both tables as it is, so that one plan reads them in the order
-- of `since` for the fleet, or those of one reference.
CREATE VIEW fleet.causes AS
SELECT ref_id, comparison_id, verdict AS state, verdict_since AS since, NULL::text COLLATE "C" AS step, NULL::bigint AS candidate_ref_id
FROM fleet.comparisons
UNION ALL
SELECT ref_id, NULL::bigint, state, since, step, candidate_ref_id
FROM fleet.newer;
COMMENT ON VIEW fleet.causes IS 'Images with their verdicts, and references with newer versions.';
COMMENT ON COLUMN fleet.causes.ref_id IS 'The reference.';
COMMENT ON COLUMN fleet.causes.comparison_id IS 'The local image; null for a newer version, which is one for all images of the reference.';
COMMENT ON COLUMN fleet.causes.state IS 'The verdict, or the state of the newer version.';
COMMENT ON COLUMN fleet.causes.since IS 'Since when.';
COMMENT ON COLUMN fleet.causes.step IS 'The step of the newer version.';
COMMENT ON COLUMN fleet.causes.candidate_ref_id IS 'The reference of the newer version.';

CREATE VIEW fleet.due_images AS
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
CROSS JOIN LATERAL (
  SELECT
    max(o.rank) FILTER (WHERE o.excuses) AS excuse,
    max(o.rank) FILTER (WHERE o.kind = 'wait') AS wait,
    max(o.rank) FILTER (WHERE o.kind = 'due_after') AS due_after,
    coalesce(bool_or(o.excuses), false) AS is_excused,
    max(o.rank) FILTER (WHERE o.excuses AND o.kind <> 'skip') AS version_excuse,
    max(o.rank) FILTER (WHERE o.kind IN ('within', 'pin')) AS within,
    max(o.rank) FILTER (WHERE o.kind = 'track') AS track,
    string_agg(o.skipped, ' ') AS skipped
  FROM unnest(w.by_host) AS o
  WHERE fleet.fits(h, o.site, o.place, o.label_key, o.label_value)
) AS s
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
COMMENT ON VIEW fleet.due_images IS 'Every image of every host that is outdated, and for each step with a newer version that decisions or labels ask for, with what is decided about it.';

CREATE OR REPLACE VIEW ops.due AS
SELECT
  site, host, hostname, labels, reference, registry, repository, tag, platform, image_id, local_digests,
  remote_digest, verdict, reason, verdict_since, checked_at, next_check_at, stale, error, running, containers,
  size, created_at, outdated_for, recreate_only, place, tagged, on_host_since, manifest_digest, by_digest,
  due_at, CASE WHEN overdue_at <= now() THEN now() - overdue_at END AS overdue_for,
  NULL::text AS excused_by, cause, available_since,
  local_version, remote_version, remote_built_at, source, newest, step
FROM fleet.due_images
WHERE NOT due_at > now() AND NOT is_excused
  AND NOT is_excused_for_all AND ((NOT due_at_for_all > now() AND is_asked_for_all) OR is_by_host);
COMMENT ON VIEW ops.due IS 'Images that are due: outdated, or behind by a version that is asked for, not excused by a decision, and past their waiting time. One row for each cause, and of versions for each step.';

CREATE OR REPLACE VIEW ops.excused AS
SELECT
  site, host, hostname, labels, reference, registry, repository, tag, platform, image_id, local_digests,
  remote_digest, verdict, reason, verdict_since, checked_at, next_check_at, stale, error, running, containers,
  size, created_at, outdated_for, recreate_only, place, tagged, on_host_since, manifest_digest, by_digest,
  due_at, CASE WHEN overdue_at <= now() THEN now() - overdue_at END AS overdue_for,
  coalesce(
    (SELECT d.kind || ' by ' || d.decided_by || CASE d.reason WHEN '' THEN '' ELSE ': ' || d.reason END
      FROM fleet.decisions AS d WHERE d.decision_id = coalesce(x.excuse_id, x.wait_id)),
    'wait by a container''s label') AS excused_by,
  cause, available_since,
  coalesce((SELECT d.kind FROM fleet.decisions AS d WHERE d.decision_id = coalesce(x.excuse_id, x.wait_id)), 'wait') AS kind,
  (SELECT d.until FROM fleet.decisions AS d WHERE d.decision_id = coalesce(x.excuse_id, x.wait_id)) AS until,
  coalesce(excuse_id, wait_id) AS decision_id,
  local_version, remote_version, remote_built_at, source, newest, step
FROM fleet.due_images AS x
WHERE (is_excused OR due_at > now())
  AND (ref_id IN (SELECT p.ref_id FROM fleet.put_off AS p) OR is_labelled)
  AND (((is_excused_for_all OR due_at_for_all > now()) AND is_asked_for_all) OR is_by_host);
COMMENT ON VIEW ops.excused IS 'Images that are outdated, or behind by a version that is asked for, and not due: excused by a decision, or still waiting.';

CREATE OR REPLACE VIEW ops.decisions AS
SELECT
  d.decided_at, d.decided_by AS by, d.kind, d.pattern || CASE WHEN d.is_prefix THEN '*' ELSE '' END AS pattern,
  jsonb_strip_nulls(jsonb_build_object(
    'site', d.site, 'place', d.place, 'label', d.label_key || '=' || d.label_value)) AS selector,
  d.until, d.reason,
  u.decision_id IS NULL AND (d.until IS NULL OR d.until > now())
    AND (d.kind <> 'skip' OR EXISTS (
      SELECT FROM fleet.image_refs AS r
      JOIN fleet.answers AS a ON a.ref_id = r.ref_id
      WHERE r.reference = d.pattern AND a.remote_digest = d.remote_digest
    ) OR EXISTS (
      SELECT FROM fleet.image_refs AS r
      JOIN fleet.newer AS n ON n.ref_id = r.ref_id
      JOIN fleet.image_refs AS t ON t.ref_id = n.candidate_ref_id
      WHERE r.reference = d.pattern AND t.tag = ANY (d.versions))) AS active,
  (
    SELECT count(*) FROM fleet.image_refs AS r
    WHERE r.reference >= d.pattern AND r.reference < d.pattern || '~' AND (d.is_prefix OR r.reference = d.pattern)
  ) AS matches,
  d.decision_id,
  coalesce(d.remote_digest, make_interval(secs => d.span_s)::text, d.step, d.track, array_to_string(d.versions, ', ')) AS value,
  u.decided_at AS undone_at, u.decided_by AS undone_by, nullif(u.reason, '') AS undone_because, d.versions
FROM fleet.decisions AS d
LEFT JOIN fleet.decisions AS u ON u.undoes = d.decision_id
WHERE d.kind <> 'undo';
COMMENT ON COLUMN ops.decisions.active IS 'Whether it holds now. A skip ends when the tag moves, or when there is a newer version yet.';
COMMENT ON COLUMN ops.decisions.versions IS 'The newer versions that a skip is about, by their tags.';

CREATE OR REPLACE FUNCTION ops.decide(
  pattern text, selector jsonb, kind text, until timestamptz, reason text, value text DEFAULT NULL
) RETURNS TABLE (decision_id bigint, matches bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
  chosen jsonb := coalesce(selector, '{}');
  label text := coalesce(selector, '{}') ->> 'label';
  digest text;
  newer text[];
  fault text;
  made bigint;
BEGIN
  PERFORM fleet.check_pattern(pattern);
  PERFORM fleet.check_selector(chosen);
  -- Without a value: all that there is now, the remote digest and the newer versions that are asked for.
  IF kind = 'skip' THEN
    digest := CASE WHEN value IS NULL THEN (
      SELECT a.remote_digest FROM fleet.image_refs AS r
      JOIN fleet.answers AS a ON a.ref_id = r.ref_id
      WHERE r.reference = pattern)
      WHEN fleet.is_digest(value) THEN value END;
    newer := ARRAY(
      SELECT DISTINCT t.tag FROM fleet.image_refs AS r
      JOIN fleet.newer AS n ON n.ref_id = r.ref_id
      JOIN fleet.image_refs AS t ON t.ref_id = n.candidate_ref_id
      WHERE r.reference = pattern AND CASE
        WHEN value IS NOT NULL THEN t.tag = value
        ELSE EXISTS (
          SELECT FROM fleet.decisions AS d
          WHERE d.kind = 'within' AND (d.until IS NULL OR d.until > now())
            AND CASE WHEN d.is_prefix THEN starts_with(pattern, d.pattern) ELSE d.pattern = pattern END
            AND NOT EXISTS (SELECT FROM fleet.decisions AS u WHERE u.undoes = d.decision_id)
        ) OR EXISTS (
          SELECT FROM fleet.comparisons AS c
          JOIN fleet.host_images AS hi ON hi.comparison_id = c.comparison_id
          WHERE c.ref_id = r.ref_id AND hi.own ? 'policy')
      END);
  END IF;
  fault := CASE
    WHEN kind IS NULL OR kind NOT IN ('ignore', 'snooze', 'skip', 'accept', 'wait', 'due_after', 'within', 'track', 'pin')
      THEN format('kind %s: it is ignore, snooze, skip, accept, wait, due_after, within, track or pin', kind)
    WHEN until IS NOT NULL AND (NOT isfinite(until) OR until <= now()) THEN 'until: the end has to be in the future'
    WHEN kind = 'snooze' AND until IS NULL THEN 'snooze needs an end: until'
    WHEN kind IN ('ignore', 'accept') AND coalesce(btrim(reason), '') = '' THEN format('%s needs a reason', kind)
    WHEN octet_length(reason) > 1000 THEN 'the reason has at most 1000 bytes'
    WHEN kind = 'skip' AND right(pattern, 1) = '*' THEN 'skip is about one digest: name one reference'
    WHEN kind = 'skip' AND digest IS NULL AND newer = '{}' AND value IS NULL
      THEN format('skip: no remote digest of %s is known: give one as value', pattern)
    WHEN kind = 'skip' AND digest IS NULL AND newer = '{}'
      THEN format('value %s: it is no digest, and no newest version of %s: see ops.versions', value, pattern)
    WHEN kind = 'within' AND coalesce(value, '') NOT IN ('patch', 'minor', 'major') THEN 'within needs patch, minor or major as value'
    WHEN kind = 'track' AND coalesce(octet_length(value), 0) NOT BETWEEN 1 AND 300 THEN 'track needs a track of 1 to 300 bytes as value'
    WHEN kind IN ('ignore', 'snooze', 'accept', 'pin') AND value IS NOT NULL THEN format('%s has no value', kind)
    WHEN rtrim(chosen ->> 'place', '/') = '' THEN 'selector place: it has to be a text'
    WHEN octet_length(chosen ->> 'site') > 63 OR octet_length(chosen ->> 'place') > 1000
      OR octet_length(split_part(label, '=', 1)) > 256 OR octet_length(label) > 513 THEN 'the selector is too long'
    WHEN (SELECT count(*) FROM fleet.decisions_in_force) >= 10000 THEN '10000 decisions are in force: undo some, or use patterns'
  END;
  IF fault IS NOT NULL THEN
    RAISE EXCEPTION '%', fault USING ERRCODE = 'invalid_parameter_value';
  END IF;
  INSERT INTO fleet.decisions (
    kind, pattern, is_prefix, site, place, label_key, label_value, remote_digest, versions, span_s, step, track, until, reason)
  VALUES (
    kind, rtrim(pattern, '*'), right(pattern, 1) = '*', chosen ->> 'site', rtrim(chosen ->> 'place', '/'),
    split_part(label, '=', 1), substr(label, strpos(label, '=') + 1), digest, nullif(newer, '{}'),
    CASE WHEN kind IN ('wait', 'due_after') THEN fleet.span_of(value) END,
    CASE kind WHEN 'within' THEN value END, CASE kind WHEN 'track' THEN value END, until, coalesce(btrim(reason), ''))
  RETURNING decisions.decision_id INTO made;
  RETURN QUERY SELECT d.decision_id, d.matches FROM ops.decisions AS d WHERE d.decision_id = made;
END
$$;

ALTER TABLE fleet.due_counts ADD COLUMN due_versions bigint NOT NULL DEFAULT 0 CHECK (due_versions BETWEEN 0 AND due);
ALTER TABLE fleet.trend ADD COLUMN due_versions bigint;

CREATE OR REPLACE VIEW ops.fleet_summary AS
SELECT
  h.hosts, h.silent_hosts,
  i.images, i.current, i.outdated, i.pinned, i.local, i.missing, i.unknown, i.stale,
  now() AS as_of,
  d.due, d.overdue, d.waiting, d.excused, d.counted_at AS due_as_of, d.due_versions
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
  due, overdue, waiting, excused, due_versions
FROM fleet.trend;

DO $$
DECLARE
  said record;
BEGIN
  FOR said IN
    SELECT v.oid::regclass AS name, c.attname, w.words
    FROM (VALUES
      ('due', 'Images that are due, each counted on each host and for each cause; null before they are counted.'),
      ('overdue', 'Of these: overdue.'),
      ('waiting', 'Images within their waiting time: outdated, or behind by a version that is asked for.'),
      ('excused', 'Such images that a decision excuses.'),
      ('due_versions', 'Of the images that are due: because of a newer version.')
    ) AS w (name, words)
    JOIN pg_attribute AS c ON c.attname = w.name
    JOIN pg_class AS v ON v.oid = c.attrelid
    WHERE v.oid IN ('ops.fleet_summary'::regclass, 'ops.trend'::regclass, 'fleet.trend'::regclass, 'fleet.due_counts'::regclass)
  LOOP
    EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', said.name, said.attname, said.words);
  END LOOP;
  FOR said IN
    SELECT v.oid::regclass AS name, c.attname, w.words
    FROM (VALUES
      ('cause', 'Why it could be due: outdated, or version (a newer one, that a decision or a label asks for).'),
      ('available_since', 'Since when the registry has had another image for it, or a newer version. No check, restart or recreation changes this.'),
      ('newest', 'The newest version of a step that is asked for, by its tag; null where the cause is outdated.'),
      ('step', 'Its step: patch, minor or major.')
    ) AS w (name, words)
    JOIN pg_attribute AS c ON c.attname = w.name
    JOIN pg_class AS v ON v.oid = c.attrelid
    WHERE v.oid IN ('ops.due'::regclass, 'ops.excused'::regclass, 'fleet.due_images'::regclass)
  LOOP
    EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', said.name, said.attname, said.words);
  END LOOP;
  -- The columns that it shares with fleet.due_rows say the same there.
  FOR said IN
    SELECT v.attrelid::regclass AS name, v.attname, col_description(o.attrelid, o.attnum) AS words
    FROM pg_attribute AS v
    JOIN pg_attribute AS o ON o.attrelid = 'fleet.due_rows'::regclass AND o.attname = v.attname
    WHERE v.attrelid = 'fleet.due_images'::regclass AND v.attname NOT IN ('available_since', 'cause', 'newest', 'step')
  LOOP
    EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', said.name, said.attname, said.words);
  END LOOP;
END
$$;
COMMENT ON COLUMN fleet.due_images.is_excused_for_all IS 'Whether a decision excuses it on every host.';
COMMENT ON COLUMN fleet.due_images.due_at_for_all IS 'When it is due where no decision about some hosts and no label says otherwise.';
COMMENT ON COLUMN fleet.due_images.is_asked_for_all IS 'Whether it is outdated, or decisions about all hosts ask for the version.';
COMMENT ON COLUMN fleet.due_images.is_by_host IS 'Whether each host has to be looked at: something is decided for some hosts, or by the label of a container.';
COMMENT ON COLUMN fleet.due_images.is_labelled IS 'Whether the label of a container says when the image is due, on some host.';
-- migrate: rollback
-- Forward only.
