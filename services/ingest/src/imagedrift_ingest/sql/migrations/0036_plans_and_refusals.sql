-- A decision or plan that is too long is refused in words, and a plan is about what ops.due shows
-- depends: 0034_own_dates
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
    WHEN cardinality(refs) NOT BETWEEN 1 AND 100 THEN 'name 1 to 100 references, or none for all that is due'
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
