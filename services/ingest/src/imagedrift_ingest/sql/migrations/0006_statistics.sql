-- Statistics of tables that grow faster than autovacuum looks at them
-- depends: 0005_usage
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '1min';

-- Ingest plans each statement once. What was planned while a table was empty reads all of it for
-- ever; statistics that are taken anew make PostgreSQL plan anew. Autovacuum would take them, too,
-- but looks once a minute, and a fleet's first minute is the one in which all tables grow.
CREATE FUNCTION fleet.analyze_grown() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  grown record;
  analyzed integer := 0;
BEGIN
  FOR grown IN
    SELECT s.relname
    FROM pg_stat_all_tables AS s
    JOIN pg_class AS c ON c.oid = s.relid
    WHERE s.schemaname = 'fleet' AND c.relkind = 'r' AND s.relname <> 'usage_changes' -- always read whole
      AND s.n_mod_since_analyze > greatest(c.reltuples, 500)
    ORDER BY s.relid
  LOOP
    EXECUTE format('ANALYZE fleet.%I', grown.relname);
    analyzed := analyzed + 1;
  END LOOP;
  RETURN analyzed;
END
$$;
COMMENT ON FUNCTION fleet.analyze_grown() IS 'Takes statistics of tables of which more was written since the last time than there was; how many there were.';
REVOKE ALL ON FUNCTION fleet.analyze_grown() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fleet.analyze_grown() TO imagedrift_writer;
-- migrate: rollback
-- Forward only.
