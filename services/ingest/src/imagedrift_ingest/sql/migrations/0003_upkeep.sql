-- Upkeep: months made ahead and dropped, counts kept for the planner, and a mark for an emptied database
-- depends: 0002_views
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '10min';

ALTER TABLE fleet.answers ADD COLUMN hosts integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN fleet.answers.hosts IS 'Hosts that have it, when that was last counted.';

CREATE TABLE fleet.generation (
  generation uuid PRIMARY KEY,
  made_at timestamptz NOT NULL
);
COMMENT ON TABLE fleet.generation IS 'One row, new whenever the database was emptied: who remembers keys from before forgets them.';
COMMENT ON COLUMN fleet.generation.generation IS 'The mark.';
COMMENT ON COLUMN fleet.generation.made_at IS 'When it was made.';
INSERT INTO fleet.generation (generation, made_at) VALUES (gen_random_uuid(), now());

CREATE FUNCTION fleet.make_months(ahead integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  first timestamptz;
  name text;
  made integer := 0;
BEGIN
  FOR step IN 0..ahead LOOP
    first := date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
    first := (first AT TIME ZONE 'UTC' + make_interval(months => step)) AT TIME ZONE 'UTC';
    name := 'host_changes_' || to_char(first AT TIME ZONE 'UTC', 'YYYYMM');
    CONTINUE WHEN to_regclass('fleet.' || name) IS NOT NULL;
    EXECUTE format('CREATE TABLE fleet.%I (LIKE fleet.host_changes INCLUDING ALL)', name);
    EXECUTE format('COMMENT ON TABLE fleet.%I IS %L', name, 'One month of fleet.host_changes.');
    -- Rows of this month are in the default partition when upkeep was late: they move.
    EXECUTE format(
      'WITH late AS (DELETE FROM fleet.host_changes_default WHERE occurred_at >= %1$L AND occurred_at < %2$L RETURNING *)
       INSERT INTO fleet.%3$I SELECT * FROM late',
      first, (first AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC', name);
    EXECUTE format(
      'ALTER TABLE fleet.host_changes ATTACH PARTITION fleet.%I FOR VALUES FROM (%L) TO (%L)',
      name, first, (first AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC');
    made := made + 1;
  END LOOP;
  RETURN made;
END
$$;
COMMENT ON FUNCTION fleet.make_months(integer) IS 'Makes the partitions of host_changes from this month to so many months ahead; how many were new.';

CREATE FUNCTION fleet.drop_months(before timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  month record;
  dropped integer := 0;
BEGIN
  FOR month IN
    SELECT c.relname, to_date(right(c.relname, 6), 'YYYYMM') AS first
    FROM pg_inherits AS i
    JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'fleet.host_changes'::regclass AND c.relname ~ '^host_changes_[0-9]{6}$'
  LOOP
    CONTINUE WHEN (month.first + interval '1 month') AT TIME ZONE 'UTC' > before;
    EXECUTE format('DROP TABLE fleet.%I', month.relname);
    dropped := dropped + 1;
  END LOOP;
  RETURN dropped;
END
$$;
COMMENT ON FUNCTION fleet.drop_months(timestamptz) IS 'Drops the partitions of host_changes that end before a moment; how many there were.';

REVOKE ALL ON FUNCTION fleet.make_months(integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION fleet.drop_months(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fleet.make_months(integer) TO imagedrift_writer;
GRANT EXECUTE ON FUNCTION fleet.drop_months(timestamptz) TO imagedrift_writer;
SELECT fleet.make_months(2);
-- A service looks whether the schema is its own.
GRANT SELECT ON public._pogo_migration TO imagedrift_writer;
-- migrate: rollback
-- Forward only.
