-- How many hosts have each image, kept where it changes: the fleet is counted without its millions of rows
-- depends: 0004_counts
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '10min';

CREATE TABLE fleet.usage_totals (
  comparison_id bigint PRIMARY KEY REFERENCES fleet.comparisons ON DELETE CASCADE,
  hosts integer NOT NULL DEFAULT 0,
  running integer NOT NULL DEFAULT 0,
  shared integer NOT NULL DEFAULT 0,
  shared_running integer NOT NULL DEFAULT 0,
  CHECK (running BETWEEN 0 AND hosts AND shared BETWEEN 0 AND hosts),
  CHECK (shared_running BETWEEN 0 AND least(running, shared))
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.1);
COMMENT ON TABLE fleet.usage_totals IS 'How many hosts have each distinct image, as far as changes were added up: a row for each, changed by upkeep only.';
COMMENT ON COLUMN fleet.usage_totals.comparison_id IS 'The local image.';
COMMENT ON COLUMN fleet.usage_totals.hosts IS 'Hosts that have it.';
COMMENT ON COLUMN fleet.usage_totals.running IS 'Of these, hosts with a running container of it.';
COMMENT ON COLUMN fleet.usage_totals.shared IS 'Of these, hosts that have another image of the same reference too.';
COMMENT ON COLUMN fleet.usage_totals.shared_running IS 'Of those, hosts with a running container of it.';

-- Every writer adds rows and none waits for another: a row per image in the table of totals would
-- be one that all replicas want at once.
CREATE TABLE fleet.usage_changes (
  comparison_id bigint NOT NULL,
  hosts integer NOT NULL,
  running integer NOT NULL,
  shared integer NOT NULL,
  shared_running integer NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_insert_threshold = -1);
COMMENT ON TABLE fleet.usage_changes IS 'What was added to and taken from the totals since they were added up. The two together are exact in every snapshot: see fleet.usage.';
COMMENT ON COLUMN fleet.usage_changes.comparison_id IS 'The local image.';
COMMENT ON COLUMN fleet.usage_changes.hosts IS 'So many more hosts have it.';
COMMENT ON COLUMN fleet.usage_changes.running IS 'So many more run it.';
COMMENT ON COLUMN fleet.usage_changes.shared IS 'So many more have another image of the same reference too.';
COMMENT ON COLUMN fleet.usage_changes.shared_running IS 'So many more of those run it.';

CREATE VIEW fleet.usage AS
SELECT
  t.comparison_id,
  t.hosts + coalesce(c.hosts, 0) AS hosts, t.running + coalesce(c.running, 0) AS running,
  t.shared + coalesce(c.shared, 0) AS shared, t.shared_running + coalesce(c.shared_running, 0) AS shared_running
FROM fleet.usage_totals AS t
LEFT JOIN (
  SELECT
    comparison_id, sum(hosts)::integer AS hosts, sum(running)::integer AS running,
    sum(shared)::integer AS shared, sum(shared_running)::integer AS shared_running
  FROM fleet.usage_changes
  GROUP BY comparison_id
) AS c ON c.comparison_id = t.comparison_id;
COMMENT ON VIEW fleet.usage IS 'How many hosts have each distinct image, now.';
COMMENT ON COLUMN fleet.usage.comparison_id IS 'The local image.';
COMMENT ON COLUMN fleet.usage.hosts IS 'Hosts that have it.';
COMMENT ON COLUMN fleet.usage.running IS 'Of these, hosts with a running container of it.';
COMMENT ON COLUMN fleet.usage.shared IS 'Of these, hosts that have another image of the same reference too.';
COMMENT ON COLUMN fleet.usage.shared_running IS 'Of those, hosts with a running container of it.';

-- Triggers, so that no writer can forget: once per statement, over what the statement wrote.
CREATE FUNCTION fleet.note_usage() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  CASE TG_OP
    WHEN 'INSERT' THEN
      INSERT INTO fleet.usage_changes
      SELECT
        comparison_id, count(*), count(*) FILTER (WHERE running > 0),
        count(*) FILTER (WHERE shared), count(*) FILTER (WHERE shared AND running > 0)
      FROM came
      GROUP BY comparison_id;
    WHEN 'DELETE' THEN
      INSERT INTO fleet.usage_changes
      SELECT
        comparison_id, -count(*), -count(*) FILTER (WHERE running > 0),
        -count(*) FILTER (WHERE shared), -count(*) FILTER (WHERE shared AND running > 0)
      FROM went
      GROUP BY comparison_id;
    WHEN 'UPDATE' THEN
      INSERT INTO fleet.usage_changes
      SELECT comparison_id, sum(n), sum(n * running), sum(n * shared), sum(n * running * shared)
      FROM (
        SELECT comparison_id, 1 AS n, (running > 0)::integer AS running, shared::integer AS shared FROM came
        UNION ALL
        SELECT comparison_id, -1, (running > 0)::integer, shared::integer FROM went
      ) AS c
      GROUP BY comparison_id
      HAVING (sum(n), sum(n * running), sum(n * shared), sum(n * running * shared)) <> (0, 0, 0, 0);
    WHEN 'TRUNCATE' THEN
      DELETE FROM fleet.usage_changes;
      UPDATE fleet.usage_totals SET hosts = 0, running = 0, shared = 0, shared_running = 0;
  END CASE;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION fleet.note_usage() IS 'Notes how many hosts more or fewer have each image that a statement wrote.';
CREATE TRIGGER note_added AFTER INSERT ON fleet.host_images
  REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION fleet.note_usage();
CREATE TRIGGER note_removed AFTER DELETE ON fleet.host_images
  REFERENCING OLD TABLE AS went FOR EACH STATEMENT EXECUTE FUNCTION fleet.note_usage();
CREATE TRIGGER note_altered AFTER UPDATE ON fleet.host_images
  REFERENCING OLD TABLE AS went NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION fleet.note_usage();
CREATE TRIGGER note_emptied AFTER TRUNCATE ON fleet.host_images
  FOR EACH STATEMENT EXECUTE FUNCTION fleet.note_usage();

CREATE FUNCTION fleet.open_usage() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  INSERT INTO fleet.usage_totals (comparison_id) SELECT comparison_id FROM made;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION fleet.open_usage() IS 'Begins to count the hosts of new images.';
CREATE TRIGGER open_usage AFTER INSERT ON fleet.comparisons
  REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION fleet.open_usage();

-- The triggers keep writers out until the commit, so this misses nothing.
INSERT INTO fleet.usage_totals
SELECT
  c.comparison_id, count(hi.host_id), count(*) FILTER (WHERE hi.running > 0),
  count(*) FILTER (WHERE hi.shared), count(*) FILTER (WHERE hi.shared AND hi.running > 0)
FROM fleet.comparisons AS c
LEFT JOIN fleet.host_images AS hi ON hi.comparison_id = c.comparison_id
GROUP BY c.comparison_id;

-- Whether containers run is in no index any more: noting it is an update within the page.
-- Seconds at some million rows; writers wait, and try again if that is too long for them.
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX fleet.host_images_comparison_idx, fleet.host_images_shared_idx;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX host_images_comparison_idx ON fleet.host_images (comparison_id);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX host_images_shared_idx ON fleet.host_images (comparison_id, host_id) WHERE shared;

-- Which images are behind, without reading the table: questions about all hosts begin with it.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX comparisons_behind_idx ON fleet.comparisons (comparison_id, verdict)
  INCLUDE (ref_id, verdict_since) WHERE verdict IN ('outdated', 'unknown');

CREATE OR REPLACE VIEW ops.images AS
SELECT
  r.reference, r.registry, r.repository, r.tag,
  n.hosts + coalesce(s.hosts, 0) AS hosts,
  n.running_hosts + coalesce(s.running_hosts, 0) AS running_hosts,
  n.outdated_hosts + coalesce(s.outdated_hosts, 0) AS outdated_hosts,
  n.variants,
  a.remote_digest, a.remote_since, coalesce(a.checked_at, a.attempted_at) AS checked_at,
  a.next_check_at, a.error
FROM (
  SELECT
    c.ref_id,
    sum(u.hosts - u.shared) AS hosts,
    sum(u.running - u.shared_running) AS running_hosts,
    coalesce(sum(u.hosts - u.shared) FILTER (WHERE c.verdict = 'outdated'), 0) AS outdated_hosts,
    count(*) AS variants
  FROM fleet.usage AS u
  JOIN fleet.comparisons AS c ON c.comparison_id = u.comparison_id
  WHERE u.hosts > 0
  GROUP BY c.ref_id
) AS n
LEFT JOIN (
  SELECT
    p.ref_id,
    count(*) AS hosts,
    count(*) FILTER (WHERE p.running) AS running_hosts,
    count(*) FILTER (WHERE p.outdated) AS outdated_hosts
  FROM (
    SELECT c.ref_id, hi.host_id, bool_or(hi.running > 0) AS running, bool_or(c.verdict = 'outdated') AS outdated
    FROM fleet.host_images AS hi
    JOIN fleet.comparisons AS c ON c.comparison_id = hi.comparison_id
    WHERE hi.shared
    GROUP BY c.ref_id, hi.host_id
  ) AS p
  GROUP BY p.ref_id
) AS s ON s.ref_id = n.ref_id
JOIN fleet.image_refs AS r ON r.ref_id = n.ref_id
LEFT JOIN fleet.answers AS a ON a.ref_id = n.ref_id;
-- migrate: rollback
-- Forward only.
