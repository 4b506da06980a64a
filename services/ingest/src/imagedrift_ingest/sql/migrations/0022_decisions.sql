-- Decisions of people: what is put off, and what is therefore due
-- depends: 0020_digests
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '10min';

CREATE TABLE fleet.decisions (
  decision_id bigint PRIMARY KEY DEFAULT fleet.new_key(),
  decided_at timestamptz NOT NULL DEFAULT now(),
  decided_by text NOT NULL DEFAULT session_user,
  kind text COLLATE "C" NOT NULL CHECK (kind IN (
    'ignore', 'snooze', 'skip', 'accept', 'wait', 'due_after', 'within', 'track', 'pin', 'undo')),
  pattern text COLLATE "C" CHECK (octet_length(pattern) <= 500),
  is_prefix boolean NOT NULL DEFAULT false,
  site text COLLATE "C" CHECK (octet_length(site) <= 63),
  place text COLLATE "C" CHECK (octet_length(place) BETWEEN 1 AND 1000),
  label_key text COLLATE "C" CHECK (octet_length(label_key) BETWEEN 1 AND 256),
  label_value text COLLATE "C" CHECK (octet_length(label_value) <= 256),
  remote_digest text COLLATE "C" CHECK (fleet.is_digest(remote_digest)),
  span_s bigint CHECK (span_s BETWEEN 0 AND 34560000),
  step text COLLATE "C" CHECK (step IN ('patch', 'minor', 'major')),
  track text COLLATE "C" CHECK (octet_length(track) BETWEEN 1 AND 300),
  until timestamptz CHECK (isfinite(until)),
  reason text NOT NULL DEFAULT '' CHECK (octet_length(reason) <= 1000),
  undoes bigint REFERENCES fleet.decisions,
  CHECK ((kind = 'undo') = (undoes IS NOT NULL)),
  CHECK ((kind = 'undo') = (pattern IS NULL)),
  CHECK ((kind = 'skip') = (remote_digest IS NOT NULL)),
  CHECK (kind <> 'skip' OR NOT is_prefix),
  CHECK ((kind IN ('wait', 'due_after')) = (span_s IS NOT NULL)),
  CHECK ((kind = 'within') = (step IS NOT NULL)),
  CHECK ((kind = 'track') = (track IS NOT NULL)),
  CHECK (kind <> 'snooze' OR until IS NOT NULL),
  CHECK (kind NOT IN ('ignore', 'accept') OR reason <> ''),
  CHECK ((label_key IS NULL) = (label_value IS NULL))
);
CREATE UNIQUE INDEX decisions_undone_idx ON fleet.decisions (undoes) WHERE undoes IS NOT NULL;
CREATE INDEX decisions_exact_idx ON fleet.decisions (pattern) WHERE NOT is_prefix AND kind <> 'undo';
CREATE INDEX decisions_prefix_idx ON fleet.decisions (pattern) WHERE is_prefix AND kind <> 'undo';
COMMENT ON TABLE fleet.decisions IS 'What people decided about images, and what they took back. Rows are only ever added: the table is the audit.';
COMMENT ON COLUMN fleet.decisions.decision_id IS 'Key; a later decision has a greater one.';
COMMENT ON COLUMN fleet.decisions.decided_at IS 'When it was decided.';
COMMENT ON COLUMN fleet.decisions.decided_by IS 'The login that decided.';
COMMENT ON COLUMN fleet.decisions.kind IS 'ignore, snooze, skip, accept: excuse an image. wait, due_after: spans. within, track, pin: which versions count. undo: takes another decision back.';
COMMENT ON COLUMN fleet.decisions.pattern IS 'A reference, or what references begin with; null for undo.';
COMMENT ON COLUMN fleet.decisions.is_prefix IS 'Whether the pattern is what references begin with.';
COMMENT ON COLUMN fleet.decisions.site IS 'Only for hosts of this site; null for all.';
COMMENT ON COLUMN fleet.decisions.place IS 'Only for hosts at this place or inside it; null for all.';
COMMENT ON COLUMN fleet.decisions.label_key IS 'Only for hosts with this label; null for all.';
COMMENT ON COLUMN fleet.decisions.label_value IS 'The value of that label.';
COMMENT ON COLUMN fleet.decisions.remote_digest IS 'The remote digest that is skipped; the next one is not.';
COMMENT ON COLUMN fleet.decisions.span_s IS 'Seconds to wait, or seconds from due to overdue.';
COMMENT ON COLUMN fleet.decisions.step IS 'The largest step that makes a newer version due.';
COMMENT ON COLUMN fleet.decisions.track IS 'The track that newer versions are looked for in.';
COMMENT ON COLUMN fleet.decisions.until IS 'When it ends; null: when it is undone.';
COMMENT ON COLUMN fleet.decisions.reason IS 'Why, in the words of who decided.';
COMMENT ON COLUMN fleet.decisions.undoes IS 'The decision that this one takes back.';

CREATE FUNCTION fleet.refuse_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RAISE EXCEPTION 'decisions are never changed or removed: undo one by ops.undo' USING ERRCODE = 'insufficient_privilege';
END
$$;
COMMENT ON FUNCTION fleet.refuse_change() IS 'Refuses to change an audit.';
CREATE TRIGGER only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON fleet.decisions
  FOR EACH STATEMENT EXECUTE FUNCTION fleet.refuse_change();

CREATE VIEW fleet.decisions_in_force AS
SELECT
  d.decision_id, d.kind, d.pattern, d.is_prefix, d.site, d.place, d.label_key, d.label_value, d.remote_digest, d.span_s
FROM fleet.decisions AS d
WHERE d.kind <> 'undo' AND (d.until IS NULL OR d.until > now())
  AND NOT EXISTS (SELECT FROM fleet.decisions AS u WHERE u.undoes = d.decision_id);
COMMENT ON VIEW fleet.decisions_in_force IS 'Decisions that have not ended and were not undone.';

-- Two ways to match, and each can be entered by the reference or by the decision. No reference has a
-- character behind `~`, so what begins with a pattern is a range of the index. `rank` orders
-- decisions by what is said more precisely: a whole reference, a longer pattern, more about the host,
-- and the newest last. The span that stands behind comes out of a maximum with it.
CREATE VIEW fleet.ref_decisions AS
SELECT
  m.ref_id, m.kind,
  m.kind IN ('ignore', 'accept', 'snooze') OR (m.kind = 'skip' AND m.remote_digest = a.remote_digest) AS excuses,
  num_nonnulls(m.site, m.place, m.label_key) AS selectors,
  m.site, m.place, m.label_key, m.label_value,
  ARRAY[
    (NOT m.is_prefix)::integer, octet_length(m.pattern), num_nonnulls(m.site, m.place, m.label_key),
    m.decision_id, m.span_s
  ]::bigint[] AS rank
FROM (
  SELECT r.ref_id, d.*
  FROM fleet.image_refs AS r
  JOIN fleet.decisions_in_force AS d ON d.pattern = r.reference AND NOT d.is_prefix
  UNION ALL
  SELECT r.ref_id, d.*
  FROM fleet.image_refs AS r
  JOIN fleet.decisions_in_force AS d ON r.reference >= d.pattern AND r.reference < d.pattern || '~' AND d.is_prefix
) AS m
LEFT JOIN fleet.answers AS a ON a.ref_id = m.ref_id
WHERE m.kind IN ('ignore', 'accept', 'snooze', 'skip', 'wait', 'due_after');
COMMENT ON VIEW fleet.ref_decisions IS 'What is decided about each reference: one row for each decision in force.';
COMMENT ON COLUMN fleet.ref_decisions.ref_id IS 'The reference.';
COMMENT ON COLUMN fleet.ref_decisions.excuses IS 'Whether it excuses the image.';
COMMENT ON COLUMN fleet.ref_decisions.selectors IS 'How many things it asks of a host.';
COMMENT ON COLUMN fleet.ref_decisions.rank IS 'The most precise decision has the greatest: [4] is its key, [5] its span in seconds.';

CREATE FUNCTION fleet.fits(host fleet.hosts, site text, place text, label_key text, label_value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (site IS NULL OR host.site = site)
  AND (place IS NULL OR host.place = place OR starts_with(host.place, place || '/'))
  AND (label_key IS NULL OR coalesce(host.labels ->> label_key = label_value, false));
COMMENT ON FUNCTION fleet.fits(fleet.hosts, text, text, text, text) IS 'Whether a decision is about a host.';

CREATE VIEW fleet.ref_rules AS
SELECT
  ref_id,
  max(rank) FILTER (WHERE excuses AND selectors = 0) AS excuse,
  max(rank) FILTER (WHERE kind = 'wait' AND selectors = 0) AS wait,
  max(rank) FILTER (WHERE kind = 'due_after' AND selectors = 0) AS due_after,
  bool_or(selectors > 0) AS is_by_host
FROM fleet.ref_decisions
GROUP BY ref_id;
COMMENT ON VIEW fleet.ref_rules IS 'What counts for each reference on every host, and whether more is decided for some hosts.';
COMMENT ON COLUMN fleet.ref_rules.ref_id IS 'The reference.';
COMMENT ON COLUMN fleet.ref_rules.excuse IS 'Rank of the decision that excuses it.';
COMMENT ON COLUMN fleet.ref_rules.wait IS 'Rank of the decision that makes it wait.';
COMMENT ON COLUMN fleet.ref_rules.due_after IS 'Rank of the decision that says when it is overdue.';
COMMENT ON COLUMN fleet.ref_rules.is_by_host IS 'Whether some decisions are about some hosts only.';

CREATE VIEW fleet.due_rows AS
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
  c.manifest_digest, c.by_digest,
  -- An image that is outdated when it is first seen has its verdict since its own digest was replaced
  -- (`add_comparisons`), so this is the start of a period of the tag, and no host changes it.
  c.verdict_since AS available_since,
  c.verdict_since + make_interval(secs => coalesce((greatest(w.wait, s.wait))[5], 0)) AS due_at,
  c.verdict_since + make_interval(secs =>
    coalesce((greatest(w.wait, s.wait))[5], 0) + coalesce((greatest(w.due_after, s.due_after))[5], 0)) AS overdue_at,
  (greatest(w.excuse, s.excuse))[4] AS excuse_id,
  (greatest(w.wait, s.wait))[4] AS wait_id
FROM fleet.host_images AS hi
JOIN fleet.comparisons AS c ON c.comparison_id = hi.comparison_id
LEFT JOIN fleet.image_refs AS r ON r.ref_id = c.ref_id
LEFT JOIN fleet.answers AS a ON a.ref_id = c.ref_id
LEFT JOIN fleet.descriptions AS d ON d.digest = a.remote_digest
LEFT JOIN fleet.hosts AS h ON h.host_id = hi.host_id
-- OFFSET 0 keeps this apart, so that the rules of this reference alone are put together.
LEFT JOIN LATERAL (SELECT * FROM fleet.ref_rules AS one WHERE one.ref_id = c.ref_id OFFSET 0) AS w ON true
LEFT JOIN LATERAL (
  SELECT
    max(x.rank) FILTER (WHERE x.excuses) AS excuse,
    max(x.rank) FILTER (WHERE x.kind = 'wait') AS wait,
    max(x.rank) FILTER (WHERE x.kind = 'due_after') AS due_after
  FROM fleet.ref_decisions AS x
  WHERE w.is_by_host AND x.ref_id = c.ref_id AND x.selectors > 0
    AND fleet.fits(h, x.site, x.place, x.label_key, x.label_value)
) AS s ON true
WHERE c.verdict = 'outdated';
COMMENT ON VIEW fleet.due_rows IS 'Every outdated image of every host, with what is decided about it.';

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX comparisons_outdated_idx ON fleet.comparisons (verdict_since) WHERE verdict = 'outdated';

CREATE VIEW ops.due AS
SELECT
  site, host, hostname, labels, reference, registry, repository, tag, platform, image_id, local_digests,
  remote_digest, verdict, reason, verdict_since, checked_at, next_check_at, stale, error, running, containers,
  size, created_at, outdated_for, recreate_only, place, tagged, on_host_since, manifest_digest, by_digest,
  due_at, CASE WHEN overdue_at <= now() THEN now() - overdue_at END AS overdue_for, NULL::text AS excused_by,
  'outdated'::text AS cause, available_since
FROM fleet.due_rows
WHERE excuse_id IS NULL AND due_at <= now();
COMMENT ON VIEW ops.due IS 'Outdated images that are due: not excused by a decision, and past their waiting time.';

CREATE VIEW ops.excused AS
SELECT
  x.site, x.host, x.hostname, x.labels, x.reference, x.registry, x.repository, x.tag, x.platform, x.image_id,
  x.local_digests, x.remote_digest, x.verdict, x.reason, x.verdict_since, x.checked_at, x.next_check_at, x.stale,
  x.error, x.running, x.containers, x.size, x.created_at, x.outdated_for, x.recreate_only, x.place, x.tagged,
  x.on_host_since, x.manifest_digest, x.by_digest,
  x.due_at, CASE WHEN x.overdue_at <= now() THEN now() - x.overdue_at END AS overdue_for,
  d.kind || ' by ' || d.decided_by || CASE d.reason WHEN '' THEN '' ELSE ': ' || d.reason END AS excused_by,
  'outdated'::text AS cause, x.available_since, d.kind, d.until, d.decision_id
FROM fleet.due_rows AS x
LEFT JOIN fleet.decisions AS d ON d.decision_id = coalesce(x.excuse_id, x.wait_id)
WHERE x.excuse_id IS NOT NULL OR x.due_at > now();
COMMENT ON VIEW ops.excused IS 'Outdated images that are not due: excused by a decision, or still waiting.';

CREATE VIEW ops.decisions AS
SELECT
  d.decided_at, d.decided_by AS by, d.kind, d.pattern || CASE WHEN d.is_prefix THEN '*' ELSE '' END AS pattern,
  jsonb_strip_nulls(jsonb_build_object(
    'site', d.site, 'place', d.place, 'label', d.label_key || '=' || d.label_value)) AS selector,
  d.until, d.reason,
  u.decision_id IS NULL AND (d.until IS NULL OR d.until > now())
    AND (d.kind <> 'skip' OR EXISTS (
      SELECT FROM fleet.image_refs AS r
      JOIN fleet.answers AS a ON a.ref_id = r.ref_id
      WHERE r.reference = d.pattern AND a.remote_digest = d.remote_digest)) AS active,
  (
    SELECT count(*) FROM fleet.image_refs AS r
    WHERE r.reference >= d.pattern AND r.reference < d.pattern || '~' AND (d.is_prefix OR r.reference = d.pattern)
  ) AS matches,
  d.decision_id,
  coalesce(d.remote_digest, make_interval(secs => d.span_s)::text, d.step, d.track) AS value,
  u.decided_at AS undone_at, u.decided_by AS undone_by, nullif(u.reason, '') AS undone_because
FROM fleet.decisions AS d
LEFT JOIN fleet.decisions AS u ON u.undoes = d.decision_id
WHERE d.kind <> 'undo';
COMMENT ON VIEW ops.decisions IS 'Every decision that was ever made, who made it, and whether it holds.';

CREATE FUNCTION fleet.check_pattern(pattern text) RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF pattern IS NULL OR octet_length(pattern) > 500 THEN
    RAISE EXCEPTION 'the pattern needs 1 to 500 characters' USING ERRCODE = 'invalid_parameter_value';
  ELSIF pattern <> '*' AND pattern !~ '^(localhost|[A-Za-z0-9-]*[.:][A-Za-z0-9.:-]*|\[[0-9a-fA-F:.]+\](:[0-9]+)?)/[A-Za-z0-9._:/@-]*\*?$' THEN
    RAISE EXCEPTION 'pattern %: write the registry in full, as docker.io/library/nginx:1.27 or docker.io/library/*', pattern
      USING ERRCODE = 'invalid_parameter_value';
  ELSIF right(pattern, 1) <> '*' AND pattern !~ '(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|@sha(256|512):[0-9a-f]+)$' THEN
    RAISE EXCEPTION 'pattern %: a reference has a tag or a digest; a * at the end matches all that begin so', pattern
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
END
$$;
COMMENT ON FUNCTION fleet.check_pattern(text) IS 'Refuses what is neither a whole reference nor the beginning of references with a * behind it.';

CREATE FUNCTION fleet.check_selector(selector jsonb) RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  part record;
BEGIN
  IF jsonb_typeof(selector) <> 'object' THEN
    RAISE EXCEPTION 'the selector has to be an object, as {"site": "fra1"}' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  FOR part IN SELECT key, value FROM jsonb_each(selector) LOOP
    IF part.key NOT IN ('site', 'place', 'label') THEN
      RAISE EXCEPTION 'selector %: it has site, place and label only', part.key USING ERRCODE = 'invalid_parameter_value';
    ELSIF jsonb_typeof(part.value) <> 'string' OR part.value = '""' THEN
      RAISE EXCEPTION 'selector %: it has to be a text', part.key USING ERRCODE = 'invalid_parameter_value';
    ELSIF part.key = 'label' AND part.value #>> '{}' !~ '^[^=]+=' THEN
      RAISE EXCEPTION 'selector label: % is not K=V, as env=prod', part.value USING ERRCODE = 'invalid_parameter_value';
    END IF;
  END LOOP;
END
$$;
COMMENT ON FUNCTION fleet.check_selector(jsonb) IS 'Refuses a selector that has more than a site, a place and a label.';

CREATE FUNCTION fleet.span_of(value text) RETURNS bigint
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  seconds numeric;
BEGIN
  BEGIN
    seconds := extract(epoch FROM value::interval);
  EXCEPTION WHEN data_exception THEN
    seconds := NULL;
  END;
  IF seconds IS NULL OR seconds NOT BETWEEN 0 AND 34560000 THEN
    RAISE EXCEPTION 'value %: write a span of 0 to 400 days, as 3 days or 12 hours', coalesce(value, 'null')
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  RETURN seconds::bigint;
END
$$;
COMMENT ON FUNCTION fleet.span_of(text) IS 'Seconds of a span that somebody wrote.';

CREATE FUNCTION ops.decide(
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
  fault text;
  made bigint;
BEGIN
  PERFORM fleet.check_pattern(pattern);
  PERFORM fleet.check_selector(chosen);
  IF kind = 'skip' THEN
    digest := coalesce(value, (
      SELECT a.remote_digest FROM fleet.image_refs AS r
      JOIN fleet.answers AS a ON a.ref_id = r.ref_id
      WHERE r.reference = pattern));
  END IF;
  fault := CASE
    WHEN kind IS NULL OR kind NOT IN ('ignore', 'snooze', 'skip', 'accept', 'wait', 'due_after', 'within', 'track', 'pin')
      THEN format('kind %s: it is ignore, snooze, skip, accept, wait, due_after, within, track or pin', kind)
    WHEN until IS NOT NULL AND (NOT isfinite(until) OR until <= now()) THEN 'until: the end has to be in the future'
    WHEN kind = 'snooze' AND until IS NULL THEN 'snooze needs an end: until'
    WHEN kind IN ('ignore', 'accept') AND coalesce(btrim(reason), '') = '' THEN format('%s needs a reason', kind)
    WHEN octet_length(reason) > 1000 THEN 'the reason has at most 1000 bytes'
    WHEN kind = 'skip' AND right(pattern, 1) = '*' THEN 'skip is about one digest: name one reference'
    WHEN kind = 'skip' AND digest IS NULL THEN format('skip: no remote digest of %s is known: give one as value', pattern)
    WHEN kind = 'skip' AND NOT fleet.is_digest(digest) THEN format('value %s: it is no digest', digest)
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
    kind, pattern, is_prefix, site, place, label_key, label_value, remote_digest, span_s, step, track, until, reason)
  VALUES (
    kind, rtrim(pattern, '*'), right(pattern, 1) = '*', chosen ->> 'site', rtrim(chosen ->> 'place', '/'),
    split_part(label, '=', 1), substr(label, strpos(label, '=') + 1), digest,
    CASE WHEN kind IN ('wait', 'due_after') THEN fleet.span_of(value) END,
    CASE kind WHEN 'within' THEN value END, CASE kind WHEN 'track' THEN value END, until, coalesce(btrim(reason), ''))
  RETURNING decisions.decision_id INTO made;
  RETURN QUERY SELECT d.decision_id, d.matches FROM ops.decisions AS d WHERE d.decision_id = made;
END
$$;
COMMENT ON FUNCTION ops.decide(text, jsonb, text, timestamptz, text, text) IS 'Stores a decision; its key, and how many known references it is about.';

CREATE FUNCTION ops.undo(decision_id bigint, reason text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
  made bigint;
BEGIN
  IF NOT EXISTS (SELECT FROM fleet.decisions AS d WHERE d.decision_id = undo.decision_id AND d.kind <> 'undo') THEN
    RAISE EXCEPTION 'no such decision: %: see ops.decisions', decision_id USING ERRCODE = 'invalid_parameter_value';
  ELSIF octet_length(reason) > 1000 THEN
    RAISE EXCEPTION 'the reason has at most 1000 bytes' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  INSERT INTO fleet.decisions (kind, undoes, reason) VALUES ('undo', decision_id, coalesce(btrim(reason), ''))
  ON CONFLICT DO NOTHING
  RETURNING decisions.decision_id INTO made;
  IF made IS NULL THEN
    RAISE EXCEPTION 'decision % is undone already', decision_id USING ERRCODE = 'invalid_parameter_value';
  END IF;
  RETURN made;
END
$$;
COMMENT ON FUNCTION ops.undo(bigint, text) IS 'Takes a decision back, from now on; the key of that.';
REVOKE ALL ON FUNCTION ops.decide(text, jsonb, text, timestamptz, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION ops.undo(bigint, text) FROM PUBLIC;

DO $$
DECLARE
  said record;
BEGIN
  -- The columns that these views share with ops.outdated say the same there.
  FOR said IN
    SELECT n.nspname, v.relname, c.attname, col_description('ops.outdated'::regclass, o.attnum) AS words
    FROM pg_class AS v
    JOIN pg_namespace AS n ON n.oid = v.relnamespace
    JOIN pg_attribute AS c ON c.attrelid = v.oid
    JOIN pg_attribute AS o ON o.attrelid = 'ops.outdated'::regclass AND o.attname = c.attname
    WHERE v.oid IN ('ops.due'::regclass, 'ops.excused'::regclass, 'fleet.due_rows'::regclass) AND c.attnum > 0
  LOOP
    EXECUTE format('COMMENT ON COLUMN %I.%I.%I IS %L', said.nspname, said.relname, said.attname, said.words);
  END LOOP;
  FOR said IN
    SELECT v.relname, c.attname, col_description('fleet.decisions'::regclass, o.attnum) AS words
    FROM pg_class AS v
    JOIN pg_attribute AS c ON c.attrelid = v.oid
    JOIN pg_attribute AS o ON o.attrelid = 'fleet.decisions'::regclass AND o.attname = c.attname
    WHERE v.oid IN ('fleet.decisions_in_force'::regclass, 'fleet.ref_decisions'::regclass) AND c.attnum > 0
  LOOP
    EXECUTE format('COMMENT ON COLUMN fleet.%I.%I IS %L', said.relname, said.attname, said.words);
  END LOOP;
  FOR said IN
    SELECT v.table_schema, v.table_name, v.column_name, w.words
    FROM information_schema.columns AS v
    JOIN (VALUES
      ('due_at', 'When it is due, or was: the time since which the new image is there, and the waiting time.'),
      ('overdue_at', 'When it is overdue, or was.'),
      ('overdue_for', 'How long it has been overdue; null while it is not.'),
      ('excused_by', 'The decision that excuses it or makes it wait: kind, login and reason; null for what is due.'),
      ('cause', 'Why it could be due: outdated.'),
      ('available_since', 'Since when the registry has had another image for it. No check, restart or recreation changes this.'),
      ('excuse_id', 'The decision that excuses it.'),
      ('wait_id', 'The decision that makes it wait.')
    ) AS w (name, words) ON w.name = v.column_name
    WHERE (v.table_schema, v.table_name) IN (('ops', 'due'), ('ops', 'excused'), ('fleet', 'due_rows'))
  LOOP
    EXECUTE format('COMMENT ON COLUMN %I.%I.%I IS %L', said.table_schema, said.table_name, said.column_name, said.words);
  END LOOP;
END
$$;
COMMENT ON COLUMN ops.excused.kind IS 'The kind of that decision.';
COMMENT ON COLUMN ops.excused.until IS 'When that decision ends; null when it does not.';
COMMENT ON COLUMN ops.excused.decision_id IS 'Its key, by which it is undone.';
COMMENT ON COLUMN ops.decisions.decided_at IS 'When it was made.';
COMMENT ON COLUMN ops.decisions.by IS 'The login that made it.';
COMMENT ON COLUMN ops.decisions.kind IS 'ignore, snooze, skip, accept, wait, due_after, within, track or pin.';
COMMENT ON COLUMN ops.decisions.pattern IS 'The reference that it is about; with * at its end, all references that begin so.';
COMMENT ON COLUMN ops.decisions.selector IS 'The hosts that it is about: site, place, label; {} for all.';
COMMENT ON COLUMN ops.decisions.until IS 'When it ends; null: when it is undone.';
COMMENT ON COLUMN ops.decisions.reason IS 'Why, in the words of who made it.';
COMMENT ON COLUMN ops.decisions.active IS 'Whether it holds now. A skip ends when the tag moves.';
COMMENT ON COLUMN ops.decisions.matches IS 'How many known references it is about.';
COMMENT ON COLUMN ops.decisions.decision_id IS 'Its key, by which it is undone.';
COMMENT ON COLUMN ops.decisions.value IS 'The span, digest, step or track, by kind.';
COMMENT ON COLUMN ops.decisions.undone_at IS 'When it was undone; null when it was not.';
COMMENT ON COLUMN ops.decisions.undone_by IS 'The login that undid it.';
COMMENT ON COLUMN ops.decisions.undone_because IS 'Why it was undone.';
-- migrate: rollback
-- Forward only.
