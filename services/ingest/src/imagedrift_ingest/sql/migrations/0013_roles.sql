-- Roles: what their names begin with, and functions with the owner's rights that do a bounded work
-- depends: 0012_retention
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '1min';

CREATE TABLE fleet.role_names (
  id boolean PRIMARY KEY DEFAULT true CHECK (id),
  prefix text COLLATE "C" NOT NULL CHECK (prefix ~ '^[a-z][a-z0-9_]{0,39}$')
);
-- Empty as made, so that the rows of a dump can be read into a database that was migrated before.
COMMENT ON TABLE fleet.role_names IS 'One row where the roles of this database have names of their own: roles belong to the whole cluster.';
COMMENT ON COLUMN fleet.role_names.id IS 'Always true: there is one row at most.';
COMMENT ON COLUMN fleet.role_names.prefix IS 'What the names of the operator''s and the writer''s role begin with.';

-- Who may call them is not the owner: what they do with the owner's rights has an end.
CREATE OR REPLACE FUNCTION fleet.make_months(ahead integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  first timestamptz;
  name text;
  made integer := 0;
BEGIN
  FOR step IN 0..least(ahead, 24) LOOP
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
COMMENT ON FUNCTION fleet.make_months(integer) IS 'Makes the partitions of host_changes from this month to so many months ahead, 24 at most; how many were new.';

CREATE OR REPLACE FUNCTION fleet.drop_months(before timestamptz) RETURNS integer
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
    CONTINUE WHEN (month.first + interval '1 month') AT TIME ZONE 'UTC' > least(before, now());
    EXECUTE format('DROP TABLE fleet.%I', month.relname);
    dropped := dropped + 1;
  END LOOP;
  RETURN dropped;
END
$$;
COMMENT ON FUNCTION fleet.drop_months(timestamptz) IS 'Drops the partitions of host_changes that end before a moment, and are over; how many there were.';
-- migrate: rollback
-- Forward only.
