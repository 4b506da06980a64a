-- Hosts, their inventories and their signs of life.

-- name: enrol
-- Make rows for hosts that are new. Sorted by the caller, so that two replicas cannot deadlock.
WITH made AS (
  INSERT INTO fleet.hosts (site, host)
  SELECT s.site, s.host
  FROM unnest($1::text[], $2::text[]) AS s (site, host)
  ON CONFLICT (site, host) DO NOTHING
  RETURNING host_id
)
INSERT INTO fleet.host_state (host_id, last_seen_at)
SELECT m.host_id, 'epoch' FROM made AS m

-- name: identify
-- The keys of hosts that are known.
SELECT h.site, h.host, h.host_id
FROM unnest($1::text[], $2::text[]) AS s (site, host)
JOIN fleet.hosts AS h ON h.site = s.site AND h.host = s.host

-- name: changed
-- Which of these contents are not what is stored, or were not compared in full for a day.
SELECT s.host_id
FROM unnest($1::bigint[], $2::bytea[]) AS s (host_id, content)
LEFT JOIN fleet.host_state AS st ON st.host_id = s.host_id
WHERE st.content IS DISTINCT FROM s.content OR st.reconciled_at < now() - interval '1 day'

-- name: generation
-- Which filling of the database this is: keys from before it are void.
SELECT generation FROM fleet.generation

-- name: gate
-- Lock the hosts in id order, refuse what is older than what is stored, and note that the others
-- live. The rows that come back are those accepted: whether it is their first inventory, whether
-- their images changed, and whether they say something new of themselves. `images` counts those
-- that were read; null where they were not, as nothing changed.
WITH said AS MATERIALIZED (
  SELECT s.host_id, s.seq, s.content, s.about, s.seen_at, s.interval_s, s.degraded, s.images
  FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[], $5::timestamptz[], $6::integer[], $7::text[], $8::integer[])
    AS s (host_id, seq, content, about, seen_at, interval_s, degraded, images)
), locked AS MATERIALIZED (
  SELECT st.host_id, st.epoch, st.seq, st.content, st.about, st.reconciled_at
  FROM fleet.host_state AS st
  WHERE st.host_id = any($1::bigint[])
  ORDER BY st.host_id
  FOR NO KEY UPDATE
)
UPDATE fleet.host_state AS st SET
  epoch = $9::bigint,
  seq = s.seq,
  content = s.content,
  about = s.about,
  interval_s = s.interval_s,
  degraded = s.degraded,
  images = coalesce(s.images, st.images),
  last_seen_at = greatest(st.last_seen_at, s.seen_at),
  silent_at = greatest(st.last_seen_at, s.seen_at) + make_interval(secs => 3.0 * s.interval_s),
  changed_at = CASE WHEN l.content IS DISTINCT FROM s.content THEN s.seen_at ELSE st.changed_at END,
  reconciled_at = CASE WHEN s.images IS NOT NULL THEN now() ELSE st.reconciled_at END
FROM said AS s
JOIN locked AS l ON l.host_id = s.host_id
WHERE st.host_id = s.host_id AND ($9::bigint, s.seq) > (l.epoch, l.seq)
RETURNING
  st.host_id,
  l.content IS NULL AS first,
  l.content IS DISTINCT FROM s.content OR l.reconciled_at < now() - interval '1 day' AS changed,
  l.about IS DISTINCT FROM s.about AS renamed

-- name: describe_hosts
-- Write what hosts say of themselves; a retired one that speaks again counts again.
UPDATE fleet.hosts AS h SET
  hostname = s.hostname, labels = s.labels, place = s.place, os = s.os, arch = s.arch,
  engine = s.engine, engine_version = s.engine_version, agent_version = s.agent_version,
  retired_at = NULL
FROM unnest($1::bigint[], $2::text[], $3::jsonb[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
  AS s (host_id, hostname, labels, place, os, arch, engine, engine_version, agent_version)
WHERE h.host_id = s.host_id

-- name: reconcile
-- Bring the rows of changed hosts ($8) to what they said: one statement that reads, compares and
-- writes only what differs, and notes which images came, went or were replaced.
-- Runs after `gate` as a statement of its own, so that it sees what the previous holder of the
-- locks committed.
WITH said AS MATERIALIZED (
  SELECT s.host_id, s.comparison_id, s.running, s.tagged, s.shared, s.since, string_to_array(s.containers, chr(31)) AS containers
  FROM unnest($1::bigint[], $2::bigint[], $3::integer[], $4::boolean[], $5::boolean[], $6::timestamptz[], $7::text[])
    AS s (host_id, comparison_id, running, tagged, shared, since, containers)
), held AS MATERIALIZED (
  SELECT hi.host_id, hi.comparison_id, hi.running, hi.tagged, hi.shared, hi.containers
  FROM fleet.host_images AS hi
  WHERE hi.host_id = any($8::bigint[])
), gone AS (
  DELETE FROM fleet.host_images AS hi
  USING held
  WHERE hi.host_id = held.host_id AND hi.comparison_id = held.comparison_id
    AND NOT EXISTS (
      SELECT FROM said AS s WHERE s.host_id = held.host_id AND s.comparison_id = held.comparison_id
    )
  RETURNING hi.host_id, hi.comparison_id
), altered AS (
  UPDATE fleet.host_images AS hi SET
    running = s.running, tagged = s.tagged, shared = s.shared, containers = s.containers
  FROM said AS s
  JOIN held ON held.host_id = s.host_id AND held.comparison_id = s.comparison_id
  WHERE hi.host_id = s.host_id AND hi.comparison_id = s.comparison_id
    AND (held.running, held.tagged, held.shared, held.containers)
      IS DISTINCT FROM (s.running, s.tagged, s.shared, s.containers)
), added AS (
  INSERT INTO fleet.host_images (host_id, comparison_id, running, tagged, shared, containers, since)
  SELECT s.host_id, s.comparison_id, s.running, s.tagged, s.shared, s.containers, s.since
  FROM said AS s
  WHERE NOT EXISTS (
    SELECT FROM held WHERE held.host_id = s.host_id AND held.comparison_id = s.comparison_id
  )
  RETURNING host_id, comparison_id
), before AS (
  SELECT g.host_id, c.ref_id, g.comparison_id
  FROM gone AS g JOIN fleet.comparisons AS c ON c.comparison_id = g.comparison_id
), after AS (
  SELECT a.host_id, c.ref_id, a.comparison_id
  FROM added AS a JOIN fleet.comparisons AS c ON c.comparison_id = a.comparison_id
)
INSERT INTO fleet.host_changes (occurred_at, host_id, ref_id, old_comparison_id, new_comparison_id)
SELECT w.since, host_id, ref_id, b.comparison_id, a.comparison_id
FROM before AS b
FULL JOIN after AS a USING (host_id, ref_id)
JOIN unnest($8::bigint[], $9::timestamptz[]) AS w (host_id, since) USING (host_id)

-- name: alive
-- Note that hosts of a site live; those never heard of are left to their inventory. Nothing is
-- read before it is written, so no lock is taken first; in id order two replicas seldom meet, and
-- where they do one of them tries again.
UPDATE fleet.host_state AS st SET
  last_seen_at = $3::timestamptz,
  silent_at = $3::timestamptz + make_interval(secs => 3.0 * $4::integer),
  interval_s = $4::integer,
  degraded = $5::text
FROM (
  SELECT h.host_id
  FROM unnest($2::text[]) AS s (host)
  JOIN fleet.hosts AS h ON h.site = $1::text AND h.host = s.host
  WHERE h.retired_at IS NULL
  ORDER BY h.host_id
) AS l
WHERE st.host_id = l.host_id AND st.last_seen_at < $3::timestamptz
