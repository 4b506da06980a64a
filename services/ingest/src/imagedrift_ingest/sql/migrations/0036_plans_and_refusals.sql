-- A decision or plan that is too long is refused in words, and a plan is about what ops.due shows
-- depends: 0035_words
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '1min';

-- Decisions and plans have one rule of what a selector is, and each part ends where its column does.
CREATE OR REPLACE FUNCTION fleet.check_selector(selector jsonb) RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  part record;
  label text := selector ->> 'label';
BEGIN
  IF jsonb_typeof(selector) <> 'object' THEN
    RAISE EXCEPTION 'the selector has to be an object, as {"site": "fra1"}' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  FOR part IN SELECT key, value FROM jsonb_each(selector) LOOP
    IF part.key NOT IN ('site', 'place', 'label') THEN
      RAISE EXCEPTION 'selector %: it has site, place and label only', left(part.key, 100) USING ERRCODE = 'invalid_parameter_value';
    ELSIF jsonb_typeof(part.value) <> 'string' OR rtrim(part.value #>> '{}', CASE part.key WHEN 'place' THEN '/' ELSE '' END) = '' THEN
      RAISE EXCEPTION 'selector %: it has to be a text', part.key USING ERRCODE = 'invalid_parameter_value';
    ELSIF part.key = 'label' AND label !~ '^[^=]+=' THEN
      RAISE EXCEPTION 'selector label: % is not K=V, as env=prod', left(part.value::text, 100) USING ERRCODE = 'invalid_parameter_value';
    END IF;
  END LOOP;
  IF octet_length(selector ->> 'site') > 63 OR octet_length(selector ->> 'place') > 1000
    OR octet_length(split_part(label, '=', 1)) > 256 OR octet_length(substr(label, strpos(label, '=') + 1)) > 256 THEN
    RAISE EXCEPTION 'the selector is too long: site has at most 63 bytes, place 1000, the key and the value of label 256 each'
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
END
$$;

-- What was written comes back in the words of a refusal, of a long text its beginning.
CREATE OR REPLACE FUNCTION fleet.span_of(value text) RETURNS bigint
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
    RAISE EXCEPTION 'value %: write a span of 0 to 400 days, as 3 days or 12 hours', coalesce(left(value, 100), 'null')
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  RETURN seconds::bigint;
END
$$;

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
      THEN format('kind %s: it is ignore, snooze, skip, accept, wait, due_after, within, track or pin', left(kind, 100))
    WHEN until IS NOT NULL AND (NOT isfinite(until) OR until <= now()) THEN 'until: the end has to be in the future'
    -- Readers in Python, Java and JavaScript cannot read every later time: one would fail them all.
    WHEN until >= '9999-01-01 00:00+00' THEN 'until: write a time before the year 9999, or no end: then it holds until it is undone'
    WHEN kind = 'snooze' AND until IS NULL THEN 'snooze needs an end: until'
    WHEN kind IN ('ignore', 'accept') AND coalesce(btrim(reason), '') = '' THEN format('%s needs a reason', kind)
    WHEN octet_length(reason) > 1000 THEN 'the reason has at most 1000 bytes'
    WHEN kind = 'skip' AND right(pattern, 1) = '*' THEN 'skip is about one digest: name one reference'
    WHEN kind = 'skip' AND digest IS NULL AND newer = '{}' AND value IS NULL
      THEN format('skip: no remote digest of %s is known: give one as value', pattern)
    WHEN kind = 'skip' AND digest IS NULL AND newer = '{}'
      THEN format('value %s: it is no digest, and no newest version of %s: see ops.versions', left(value, 100), pattern)
    WHEN kind = 'within' AND coalesce(value, '') NOT IN ('patch', 'minor', 'major') THEN 'within needs patch, minor or major as value'
    WHEN kind = 'track' AND coalesce(octet_length(value), 0) NOT BETWEEN 1 AND 300 THEN 'track needs a track of 1 to 300 bytes as value'
    WHEN kind IN ('ignore', 'snooze', 'accept', 'pin') AND value IS NOT NULL THEN format('%s has no value', kind)
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

-- As many references as a plan may have, of the longest.
ALTER TABLE fleet.plans
  -- squawk-ignore ban-drop-constraint
  DROP CONSTRAINT plans_what_check,
  -- squawk-ignore constraint-missing-not-valid
  ADD CONSTRAINT plans_what_check CHECK (octet_length(what) <= 100000);

CREATE OR REPLACE FUNCTION fleet.check_plan(refs text[], rings numeric[], note text) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  fault text;
  unknown text;
BEGIN
  SELECT r INTO unknown FROM unnest(refs) AS r
  WHERE NOT EXISTS (SELECT FROM fleet.image_refs AS i WHERE i.reference = r)
  LIMIT 1;
  fault := CASE
    WHEN cardinality(refs) NOT BETWEEN 1 AND 100 OR array_ndims(refs) > 1 THEN 'name 1 to 100 references, or none for all that is due'
    WHEN octet_length(note) > 1000 THEN 'the note has at most 1000 bytes'
    WHEN coalesce(cardinality(rings), 0) NOT BETWEEN 1 AND 20 THEN 'a plan has 1 to 20 rings'
    WHEN array_ndims(rings) <> 1 OR array_lower(rings, 1) <> 1 THEN 'rings: write one list of shares, as {0.1,0.9}'
    WHEN EXISTS (SELECT FROM unnest(rings) AS share WHERE coalesce(share, 'NaN') NOT BETWEEN 0 AND 1)
      OR (SELECT sum(share) FROM unnest(rings) AS share) > 1
      THEN 'rings: the shares are from 0 to 1, and all together at most 1'
    WHEN unknown IS NOT NULL OR array_position(refs, NULL) IS NOT NULL
      THEN format('no host has the reference %s', coalesce(left(unknown, 1000), 'null'))
  END;
  IF fault IS NOT NULL THEN
    RAISE EXCEPTION '%', fault USING ERRCODE = 'invalid_parameter_value';
  END IF;
END
$$;
-- A plan reads what is due where ops.due does: one view tells it for both.
CREATE OR REPLACE FUNCTION ops.make_plan(
  refs text[], rings numeric[], selector jsonb DEFAULT '{}', note text DEFAULT ''
) RETURNS TABLE (plan_id bigint, images bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
  chosen jsonb := coalesce(selector, '{}');
  label text := coalesce(selector, '{}') ->> 'label';
  ends numeric[];
  made bigint;
  planned bigint;
BEGIN
  PERFORM fleet.check_selector(chosen);
  PERFORM fleet.check_plan(refs, rings, note);
  ends := ARRAY(SELECT sum(r.share) OVER (ORDER BY r.nth) FROM unnest(rings) WITH ORDINALITY AS r (share, nth) ORDER BY r.nth);
  INSERT INTO fleet.plans (what, selector, rings, note)
  VALUES (coalesce(array_to_string(refs, ', '), 'due'), chosen, rings, coalesce(btrim(note), ''))
  RETURNING plans.plan_id INTO made;
  WITH wanted AS MATERIALIZED (
    SELECT d.host_id, d.ref_id, d.remote_digest, width_bucket(fleet.share_of(d.site, d.host), ends) + 1 AS ring
    FROM fleet.due_images AS d
    JOIN fleet.hosts AS h ON h.host_id = d.host_id
    WHERE d.step IS NULL AND d.ref_id = ANY (ARRAY(SELECT r.ref_id FROM fleet.image_refs AS r WHERE refs IS NULL OR r.reference = ANY (refs)))
      AND (refs IS NOT NULL OR (NOT d.is_excused AND d.due_at <= now()))
      AND fleet.fits(h, chosen ->> 'site', rtrim(chosen ->> 'place', '/'), split_part(label, '=', 1), substr(label, strpos(label, '=') + 1))
  ), targets AS (
    INSERT INTO fleet.plan_targets (plan_id, ref_id, digest)
    SELECT DISTINCT made, w.ref_id, w.remote_digest FROM wanted AS w WHERE w.ring <= cardinality(rings)
  )
  INSERT INTO fleet.plan_hosts (plan_id, host_id, ref_id, ring, running_before)
  SELECT made, w.host_id, w.ref_id, w.ring, sum(hi.running)
  FROM (SELECT DISTINCT host_id, ref_id, ring FROM wanted) AS w
  JOIN fleet.comparisons AS c ON c.ref_id = w.ref_id
  JOIN fleet.host_images AS hi ON hi.comparison_id = c.comparison_id AND hi.host_id = w.host_id
  WHERE w.ring <= cardinality(rings)
  GROUP BY w.host_id, w.ref_id, w.ring;
  GET DIAGNOSTICS planned = ROW_COUNT;
  IF planned > 100000 THEN
    RAISE EXCEPTION 'the plan has % images of hosts, more than 100000: choose references, or hosts by a selector', planned
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  RETURN QUERY SELECT made, planned;
END
$$;

-- squawk-ignore ban-drop-view
DROP VIEW fleet.due_rows;
-- migrate: rollback
-- Forward only.
