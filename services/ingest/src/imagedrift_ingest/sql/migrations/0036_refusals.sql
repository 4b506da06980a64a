-- A decision or plan that is too long is refused in words, whichever part of it is
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
-- migrate: rollback
-- Forward only.
