-- Hosts and places are counted by the keys of images that are behind; the check of digests costs a sixth
-- depends: 0014_restore
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '10min';

-- Most rows of a fleet are current, which the planner cannot know: it expects as many hosts of an
-- image that is behind as of any other, so a join would read all images of all hosts. An array of
-- keys leaves it the index alone. Materialized, as each parallel worker would count all hosts.
CREATE OR REPLACE VIEW ops.host_counts AS
WITH behind AS MATERIALIZED (
  SELECT
    i.host_id, sum(i.outdated) AS outdated, count(*) - sum(i.outdated) AS unknown,
    count(*) FILTER (WHERE i.running > 0) AS outdated_running
  FROM (
    SELECT hi.host_id, 1 AS outdated, hi.running
    FROM fleet.host_images AS hi
    WHERE hi.comparison_id = ANY (ARRAY(SELECT comparison_id FROM fleet.comparisons WHERE verdict = 'outdated'))
    UNION ALL
    SELECT hi.host_id, 0, 0
    FROM fleet.host_images AS hi
    WHERE hi.comparison_id = ANY (ARRAY(SELECT comparison_id FROM fleet.comparisons WHERE verdict = 'unknown'))
  ) AS i
  GROUP BY i.host_id
)
SELECT
  h.site, h.host, h.hostname, h.labels, h.place,
  s.images::bigint AS images, coalesce(b.outdated, 0) AS outdated, coalesce(b.unknown, 0) AS unknown,
  coalesce(b.outdated_running, 0) AS outdated_running
FROM fleet.host_state AS s
JOIN fleet.hosts AS h ON h.host_id = s.host_id
LEFT JOIN behind AS b ON b.host_id = s.host_id
WHERE s.counts;

-- The hosts of one place are added up before its name is taken apart: a fleet has few places.
CREATE OR REPLACE VIEW ops.places AS
WITH behind AS MATERIALIZED (
  SELECT hi.host_id, count(*) AS images
  FROM fleet.host_images AS hi
  WHERE hi.comparison_id = ANY (ARRAY(SELECT comparison_id FROM fleet.comparisons WHERE verdict = 'outdated'))
  GROUP BY hi.host_id
), counted AS (
  SELECT
    string_to_array(h.place, '/') AS parts, count(*) AS hosts, count(b.host_id) AS outdated,
    count(*) FILTER (WHERE s.silent_at < now()) AS silent, coalesce(sum(b.images), 0) AS outdated_images
  FROM fleet.hosts AS h
  JOIN fleet.host_state AS s ON s.host_id = h.host_id
  LEFT JOIN behind AS b ON b.host_id = h.host_id
  WHERE s.counts AND h.place <> ''
  GROUP BY h.place
)
SELECT
  array_to_string(c.parts[:l.level], '/') AS place, l.level,
  sum(c.hosts)::bigint AS hosts, sum(c.outdated)::bigint AS outdated, sum(c.silent)::bigint AS silent,
  sum(c.outdated_images)::bigint AS outdated_images
FROM counted AS c
CROSS JOIN LATERAL generate_series(1, cardinality(c.parts)) AS l (level)
GROUP BY 1, 2;

-- Nearly every image has one digest, or none. The expression for any number takes PostgreSQL 36 us a
-- row, which was a fifth of what storing a new image cost.
ALTER TABLE fleet.comparisons
  -- squawk-ignore ban-drop-constraint
  DROP CONSTRAINT comparisons_repo_digests_check,
  -- squawk-ignore constraint-missing-not-valid
  ADD CONSTRAINT comparisons_repo_digests_check CHECK (
    array_position(repo_digests, NULL) IS NULL
    AND CASE cardinality(repo_digests)
      WHEN 0 THEN true
      WHEN 1 THEN coalesce(fleet.is_digest(repo_digests[1]), false)
      ELSE array_to_string(repo_digests, ',') ~ '^((sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})(,(?!$)|$))*$'
    END);
-- migrate: rollback
-- Forward only.
