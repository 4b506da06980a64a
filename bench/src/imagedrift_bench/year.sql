-- The days of `imagedrift bench year`.

-- name: tables
-- The tables whose rows are counted.
SELECT relname FROM pg_class
WHERE relnamespace = 'fleet'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
ORDER BY relname;

-- name: standing
-- The standing fleet.
WITH h AS (
  INSERT INTO fleet.hosts (site, host, first_seen_at)
  SELECT 'fra1', 'srv-' || n, $1 FROM generate_series(1, $2::integer) AS n RETURNING host_id
)
INSERT INTO fleet.host_state (host_id, last_seen_at, counts) SELECT host_id, $1, true FROM h;

-- name: speak
-- Every standing host is heard.
UPDATE fleet.host_state AS s SET last_seen_at = $1 FROM fleet.hosts AS h
WHERE h.host_id = s.host_id AND starts_with(h.host, 'srv-');

-- name: references
-- New tags with their answers and comparisons.
WITH r AS (
  INSERT INTO fleet.image_refs (reference, registry, repository, tag, policy, first_seen_at)
  SELECT 'r.example/app' || n % 200 || ':' || t, 'r.example', 'app' || n % 200, t, 'ask', $1
  FROM (SELECT n, $2::integer || '-' || n AS t FROM generate_series(1, $3::integer) AS n) AS s
  RETURNING ref_id, reference
), a AS (
  INSERT INTO fleet.answers (ref_id, remote_digest, remote_since, checked_at, attempted_at)
  SELECT ref_id, 'sha256:' || encode(sha256(reference::bytea), 'hex'), $1, $1, $1 FROM r
), t AS (
  INSERT INTO fleet.remote_history (ref_id, valid_from, digest)
  SELECT ref_id, $1, 'sha256:' || encode(sha256(reference::bytea), 'hex') FROM r
)
INSERT INTO fleet.comparisons
  (ref_id, image_id, repo_digests, platform, verdict, reason, verdict_since, first_seen_at)
SELECT
  ref_id, d, ARRAY[d], 'linux/amd64', 'current', 'digest_match', $1, $1
FROM (SELECT ref_id, 'sha256:' || encode(sha256(reference::bytea), 'hex') AS d FROM r) AS s;

-- name: hosts
-- New hosts of that day, each with two of its images.
WITH h AS (
  INSERT INTO fleet.hosts (site, host, first_seen_at)
  SELECT 'ci', 'job-' || $2::integer || '-' || n, $1 FROM generate_series(1, $3::integer) AS n
  RETURNING host_id
), s AS (
  INSERT INTO fleet.host_state (host_id, last_seen_at, counts, images)
  SELECT host_id, $1, true, 2 FROM h
), c AS (
  SELECT comparison_id, row_number() OVER () AS n FROM fleet.comparisons
  WHERE first_seen_at = $1
), numbered AS (SELECT host_id, row_number() OVER () AS n FROM h)
INSERT INTO fleet.host_images (host_id, comparison_id, since)
SELECT h.host_id, c.comparison_id, $1
FROM numbered AS h JOIN c ON c.n IN (2 * h.n, 2 * h.n - 1);

-- name: replace
-- The standing hosts change their images, but for those of the first day: their tags move all year.
WITH gone AS (
  DELETE FROM fleet.host_images AS i USING fleet.hosts AS h, fleet.comparisons AS c, fleet.image_refs AS r
  WHERE h.host_id = i.host_id AND h.site = 'fra1'
    AND c.comparison_id = i.comparison_id AND r.ref_id = c.ref_id AND r.tag NOT LIKE '0-%'
  RETURNING i.host_id, i.comparison_id
), c AS (
  SELECT comparison_id, ref_id, row_number() OVER () AS n FROM fleet.comparisons
  WHERE first_seen_at = $1
), h AS (
  SELECT host_id, row_number() OVER () AS n FROM fleet.hosts WHERE site = 'fra1'
), came AS (
  INSERT INTO fleet.host_images (host_id, comparison_id, since)
  SELECT h.host_id, c.comparison_id, $1 FROM h JOIN c ON c.n = 1 + h.n % $2::integer
  RETURNING host_id, comparison_id
)
INSERT INTO fleet.host_changes
  (occurred_at, host_id, ref_id, old_comparison_id, new_comparison_id)
SELECT $1, came.host_id, c.ref_id, gone.comparison_id, came.comparison_id
FROM came JOIN c USING (comparison_id) LEFT JOIN gone USING (host_id);

-- name: move
-- The tags that move, with their new digests.
WITH moving AS (
  SELECT ref_id FROM fleet.image_refs WHERE tag LIKE '0-%' ORDER BY ref_id LIMIT 200
), closed AS (
  UPDATE fleet.remote_history AS t SET valid_to = $1 FROM moving AS m
  WHERE t.ref_id = m.ref_id AND t.valid_to IS NULL AND t.valid_from < $1
  RETURNING t.ref_id
)
SELECT
  ref_id, 'sha256:' || encode(sha256((ref_id || '@' || $2::integer)::bytea), 'hex') AS digest
FROM closed;

-- name: moved
-- The periods that begin with these digests.
INSERT INTO fleet.remote_history (ref_id, valid_from, digest)
SELECT ref_id, $1, digest FROM unnest($2::bigint[], $3::text[]) AS s (ref_id, digest);

-- name: undescribed
-- A description that is asked for, for each new digest.
INSERT INTO fleet.descriptions (digest, asked_at)
SELECT digest, $1 FROM fleet.remote_history WHERE valid_from = $1
ON CONFLICT (digest) DO NOTHING;

-- name: dead_letters
-- Dead letters of that day.
INSERT INTO fleet.dead_letters
  (epoch, seq, received_at, hour, service, subject, stream, stream_seq, reason, error, payload)
SELECT
  extract(epoch FROM $1::timestamptz)::bigint, n, $1, date_trunc('hour', $1::timestamptz),
  'ingest', 's' || n, 'S', n, 'r', 'e', ''
FROM generate_series(1, 100) AS n;

-- name: registry_states
-- Registries that are asked on that day alone.
INSERT INTO fleet.registry_states (registry, credential, observed_at)
SELECT 'r' || n || to_char($1::timestamptz, 'YYYYMMDD'), 'anonymous', $1
FROM generate_series(1, 10) AS n;

-- name: trend
-- The trend of that day.
INSERT INTO fleet.trend
SELECT $1::timestamptz + make_interval(mins => 5 * n), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
FROM generate_series(1, 288) AS n;

-- name: outbox
-- Changed verdicts that were never published.
INSERT INTO fleet.outbox
  (comparison_id, from_verdict, from_reason, to_verdict, to_reason, changed_at)
SELECT comparison_id, 'unknown', 'not_checked', 'current', 'digest_match', $1
FROM fleet.comparisons WHERE first_seen_at = $1 LIMIT 50;
