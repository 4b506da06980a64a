-- Hosts, their inventories and their heartbeats.

-- name: insert_hosts
-- Make rows for hosts that are new, with what they say of themselves, if they said it. Sorted by the
-- caller, so that two replicas cannot deadlock. No disk is waited for: what stores their messages comes
-- later in the log, and is waited for.
WITH hurried AS MATERIALIZED (
  SELECT set_config('synchronous_commit', 'off', true) AS done
), made AS (
  INSERT INTO fleet.hosts (
    site, host, hostname, labels, place, os, arch, engine, engine_version, agent_version, skipped
  )
  SELECT
    s.site, s.host, coalesce(s.hostname, ''), coalesce(s.labels, '{}'), coalesce(s.place, ''), coalesce(s.os, ''),
    coalesce(s.arch, ''), coalesce(s.engine, ''), coalesce(s.engine_version, ''), coalesce(s.agent_version, ''),
    coalesce(s.skipped, '{}')
  FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::jsonb[])
    AS s (site, host, hostname, labels, place, os, arch, engine, engine_version, agent_version, skipped)
  WHERE (SELECT h.done FROM hurried AS h) = 'off'
  ON CONFLICT (site, host) DO NOTHING
  RETURNING site, host, host_id
)
INSERT INTO fleet.host_state (host_id, last_seen_at, counts, about)
SELECT m.host_id, 'epoch', false, s.about
FROM made AS m
JOIN unnest($1::text[], $2::text[], $12::bytea[]) AS s (site, host, about) ON s.site = m.site AND s.host = m.host

-- name: select_ids
-- The keys of hosts that are known.
SELECT h.site, h.host, h.host_id
FROM unnest($1::text[], $2::text[]) AS s (site, host)
JOIN fleet.hosts AS h ON h.site = s.site AND h.host = s.host

-- name: changed
-- Which of these contents are not what is stored, or were not compared in full for a day; with images
-- left out that were too many new ones for a day, for this day.
SELECT s.host_id
FROM unnest($1::bigint[], $2::bytea[]) AS s (host_id, content)
LEFT JOIN fleet.host_state AS st ON st.host_id = s.host_id
WHERE st.content IS DISTINCT FROM s.content OR st.reconciled_at < now() - interval '1 day'
  OR st.left_out ? 'over_quota' AND st.reconciled_at < date_trunc('day', now(), 'UTC')

-- name: take_newer
-- Lock the hosts in id order, refuse what is older than what is stored, and note that the others
-- live. A row comes back for every host that is there: how it stands to what is stored (`core.order`;
-- what is in doubt is written if the stream has none newer, $11), whether it is the first inventory,
-- whether the images changed, and whether it says something new of itself. `images` counts those
-- that are stored and `left_out` those that are not; null where none were read, as nothing changed.
WITH locked AS MATERIALIZED (
  SELECT
    st.host_id, st.content AS old_content, st.about AS old_about,
    st.reconciled_at < now() - interval '1 day'
      OR st.left_out ? 'over_quota' AND st.reconciled_at < date_trunc('day', now(), 'UTC') AS lapsed,
    s.seq, s.content, s.about, s.seen_at, s.interval_s, s.degraded, s.images, s.left_out,
    fleet.order_of($10::bigint, s.seq, s.seen_at, st.epoch, st.seq, st.said_at) AS message_order
  FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[], $5::timestamptz[], $6::integer[], $7::text[], $8::integer[], $9::jsonb[])
    AS s (host_id, seq, content, about, seen_at, interval_s, degraded, images, left_out)
  JOIN fleet.host_state AS st ON st.host_id = s.host_id
  ORDER BY st.host_id
  FOR NO KEY UPDATE OF st
), written AS (
  UPDATE fleet.host_state AS st SET
    epoch = $10::bigint,
    seq = l.seq,
    said_at = l.seen_at,
    content = l.content,
    about = l.about,
    interval_s = l.interval_s,
    degraded = l.degraded,
    counts = true,
    behind = false,
    images = coalesce(l.images, st.images),
    left_out = coalesce(l.left_out, st.left_out),
    last_seen_at = greatest(st.last_seen_at, l.seen_at),
    silent_at = greatest(st.last_seen_at, l.seen_at) + make_interval(secs => 3.0 * l.interval_s),
    changed_at = CASE WHEN l.old_content IS DISTINCT FROM l.content THEN l.seen_at ELSE st.changed_at END,
    reconciled_at = CASE WHEN l.images IS NOT NULL THEN now() ELSE st.reconciled_at END
  FROM locked AS l
  WHERE st.host_id = l.host_id AND l.message_order = ANY (CASE WHEN $11::boolean THEN '{newer,doubtful}' ELSE '{newer}' END::text[])
)
SELECT
  l.host_id,
  l.seq,
  l.message_order,
  l.old_content IS NULL AS first,
  l.old_content IS DISTINCT FROM l.content OR l.lapsed AS changed,
  l.old_about IS DISTINCT FROM l.about AS renamed
FROM locked AS l

-- name: describe_hosts
-- Write what hosts say of themselves; a retired one that speaks again counts again.
UPDATE fleet.hosts AS h SET
  hostname = s.hostname, labels = s.labels, place = s.place, os = s.os, arch = s.arch,
  engine = s.engine, engine_version = s.engine_version, agent_version = s.agent_version,
  skipped = s.skipped, retired_at = NULL,
  hostname_before = CASE WHEN h.hostname <> s.hostname THEN h.hostname ELSE h.hostname_before END,
  renamed_at = CASE WHEN h.hostname NOT IN ('', s.hostname) THEN s.seen_at ELSE h.renamed_at END
FROM unnest($1::bigint[], $2::text[], $3::jsonb[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::jsonb[], $11::timestamptz[])
  AS s (host_id, hostname, labels, place, os, arch, engine, engine_version, agent_version, skipped, seen_at)
WHERE h.host_id = s.host_id

-- name: reconcile
-- Bring the rows of changed hosts ($9) to what they said: one statement that reads, compares and
-- writes only what differs, and notes which images came, went or were replaced.
-- Runs after `take_newer` as a statement of its own, so that it sees what the previous holder of the
-- locks committed. The comparison is a full join because that is never planned as a nested loop:
-- PostgreSQL cannot know how long the arrays are, and takes them for short.
WITH held AS MATERIALIZED (
  SELECT hi.host_id, hi.comparison_id, hi.running, hi.tagged, hi.shared, hi.own, hi.containers
  FROM fleet.host_images AS hi
  WHERE hi.host_id = any($9::bigint[])
), differing AS MATERIALIZED (
  SELECT
    host_id, comparison_id, s.running, s.tagged, s.shared, s.since, s.own, s.containers,
    s.since IS NULL AS gone, held.running IS NULL AS new
  FROM (
    SELECT s.host_id, s.comparison_id, s.running, s.tagged, s.shared, s.since, s.own, string_to_array(s.containers, chr(31)) AS containers
    FROM unnest($1::bigint[], $2::bigint[], $3::integer[], $4::boolean[], $5::boolean[], $6::timestamptz[], $7::jsonb[], $8::text[])
      AS s (host_id, comparison_id, running, tagged, shared, since, own, containers)
  ) AS s
  FULL JOIN held USING (host_id, comparison_id)
  WHERE (held.running, held.tagged, held.shared, held.own, held.containers)
    IS DISTINCT FROM (s.running, s.tagged, s.shared, s.own, s.containers)
), removed AS (
  DELETE FROM fleet.host_images AS hi
  USING differing AS d
  WHERE d.gone AND hi.host_id = d.host_id AND hi.comparison_id = d.comparison_id
), altered AS (
  UPDATE fleet.host_images AS hi SET
    running = d.running, tagged = d.tagged, shared = d.shared, own = d.own, containers = d.containers
  FROM differing AS d
  WHERE NOT d.gone AND NOT d.new AND hi.host_id = d.host_id AND hi.comparison_id = d.comparison_id
), added AS (
  INSERT INTO fleet.host_images (host_id, comparison_id, running, tagged, shared, since, own, containers)
  SELECT d.host_id, d.comparison_id, d.running, d.tagged, d.shared, d.since, d.own, d.containers
  FROM differing AS d
  WHERE d.new
), moved AS MATERIALIZED (
  SELECT
    d.host_id, c.ref_id, d.comparison_id, d.gone, c.platform,
    row_number() OVER (PARTITION BY d.host_id, c.ref_id, c.platform, d.gone ORDER BY d.comparison_id) AS nth,
    count(*) FILTER (WHERE d.gone) OVER (PARTITION BY d.host_id, c.ref_id, c.platform) AS went,
    count(*) FILTER (WHERE NOT d.gone) OVER (PARTITION BY d.host_id, c.ref_id, c.platform) AS came
  FROM differing AS d
  JOIN fleet.comparisons AS c ON c.comparison_id = d.comparison_id
  WHERE d.gone OR d.new
), paired AS MATERIALIZED (
  -- One that went and one that came are a change: of the same platform first, and each once.
  SELECT host_id, ref_id, comparison_id, gone, row_number() OVER (
    PARTITION BY host_id, ref_id, gone ORDER BY nth <= least(went, came) DESC, platform, nth
  ) AS pair
  FROM moved
), noting AS MATERIALIZED (
  -- A host that had $11 changes within a day has no more noted: it may alternate between two states.
  SELECT w.host_id, w.since
  FROM unnest($9::bigint[], $10::timestamptz[]) AS w (host_id, since)
  WHERE $11::integer > (
    SELECT count(*)
    FROM (
      SELECT FROM fleet.host_changes AS c
      WHERE c.host_id = w.host_id AND c.occurred_at > w.since - interval '1 day'
      LIMIT $11::integer
    ) AS noted
  )
)
INSERT INTO fleet.host_changes (occurred_at, host_id, ref_id, old_comparison_id, new_comparison_id)
SELECT w.since, host_id, ref_id, b.comparison_id, a.comparison_id
FROM (SELECT host_id, ref_id, pair, comparison_id FROM paired WHERE gone) AS b
FULL JOIN (SELECT host_id, ref_id, pair, comparison_id FROM paired WHERE NOT gone) AS a USING (host_id, ref_id, pair)
JOIN noting AS w USING (host_id)

-- name: alive
-- Note that hosts live. Nothing is read before it is written, so no lock is taken first; in id order
-- two replicas seldom meet, and where they do one of them tries again. A host that changed just now
-- has heartbeats from before on their way. Two agents under one host id take turns: a start that was
-- replaced speaks again. Only heartbeats tell, as an inventory may be stored long after it was sent.
UPDATE fleet.host_state AS st SET
  last_seen_at = $3::timestamptz,
  silent_at = $3::timestamptz + make_interval(secs => 3.0 * $4::integer),
  interval_s = $4::integer,
  degraded = $5::text,
  counts = true,
  behind = l.content IS NOT NULL AND st.content IS DISTINCT FROM l.content
    AND coalesce(st.changed_at < $3::timestamptz - interval '10 s', true),
  boot = CASE WHEN l.boot = '' THEN st.boot ELSE l.boot END,
  boots_before = CASE WHEN l.boot IN ('', st.boot) THEN st.boots_before ELSE (array_remove(array_remove(st.boot || st.boots_before, l.boot), ''))[:4] END,
  boot_returns = CASE
    WHEN l.boot IN ('', st.boot) OR l.boot <> ALL (st.boots_before) THEN st.boot_returns
    WHEN st.boot_returned_at > $3::timestamptz - make_interval(secs => 4.0 * st.interval_s) - interval '5 minutes' THEN least(st.boot_returns + 1, 1000)
    ELSE 1
  END,
  boot_returned_at = CASE WHEN l.boot NOT IN ('', st.boot) AND l.boot = ANY (st.boots_before) THEN $3::timestamptz ELSE st.boot_returned_at END
FROM (
  SELECT s.host_id, s.content, s.boot
  FROM unnest($1::bigint[], $2::bytea[], $6::text[]) AS s (host_id, content, boot)
  ORDER BY s.host_id
) AS l
WHERE st.host_id = l.host_id AND st.last_seen_at < $3::timestamptz

-- name: any_gone
-- Whether the row of any of these hosts is not there.
SELECT count(*) < cardinality($1::bigint[]) FROM fleet.host_state WHERE host_id = any($1::bigint[])

-- name: unretire
-- Count hosts again that were retired and speak.
UPDATE fleet.hosts SET retired_at = NULL WHERE retired_at IS NOT NULL AND host_id = any($1::bigint[])
