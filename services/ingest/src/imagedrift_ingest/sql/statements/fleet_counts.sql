-- The fleet in figures, counted once a minute by one replica, and what metrics show of them.

-- name: count_due
-- Count the images that are due, for each cause and step. Decisions are read once per reference. Hosts
-- are read only for images about which something is decided for some hosts, or by a container's label.
WITH rules AS MATERIALIZED (
  SELECT ref_id, is_excused, version_excuse, wait, due_after, within, track, by_host, skipped
  FROM fleet.rules
  WHERE ref_id IN (SELECT ref_id FROM fleet.causes WHERE state IN ('outdated', 'newer'))
), images AS MATERIALIZED (
  SELECT
    c.comparison_id, x.step,
    CASE WHEN x.step IS NULL THEN w.is_excused ELSE w.version_excuse IS NOT NULL END AS is_excused,
    x.since + make_interval(secs => coalesce(w.wait[5], 0)) AS due_at,
    x.since + make_interval(secs => coalesce(w.wait[5], 0) + coalesce(w.due_after[5], 0)) AS overdue_at,
    x.step IS NULL
      OR (coalesce(w.track[5], 1) = 1 AND array_position('{patch,minor,major}', x.step) <= w.within[5]) AS is_asked,
    w.by_host IS NOT NULL OR w.skipped IS NOT NULL OR EXISTS (
      SELECT FROM fleet.host_images AS hi WHERE hi.comparison_id = c.comparison_id AND hi.own ? 'policy'
    ) AS is_by_host
  FROM fleet.causes AS x
  JOIN fleet.comparisons AS c ON c.ref_id = x.ref_id AND (x.comparison_id IS NULL OR c.comparison_id = x.comparison_id)
  JOIN rules AS w ON w.ref_id = c.ref_id
  WHERE x.state IN ('outdated', 'newer') AND (x.step IS NULL OR c.repo_digests <> '{}')
), counted AS (
  SELECT u.hosts AS n, i.step, i.is_excused, i.due_at, i.overdue_at
  FROM images AS i
  JOIN fleet.usage AS u ON u.comparison_id = i.comparison_id
  WHERE NOT i.is_by_host AND i.is_asked
  UNION ALL
  SELECT 1, d.step, d.is_excused, d.due_at, d.overdue_at
  FROM fleet.due_images AS d
  WHERE d.comparison_id = ANY (ARRAY(SELECT comparison_id FROM images WHERE is_by_host))
)
INSERT INTO fleet.due_counts (due, overdue, waiting, excused, due_versions)
SELECT
  coalesce(sum(n) FILTER (WHERE NOT is_excused AND due_at <= now()), 0),
  coalesce(sum(n) FILTER (WHERE NOT is_excused AND due_at <= now() AND overdue_at <= now()), 0),
  coalesce(sum(n) FILTER (WHERE NOT is_excused AND due_at > now()), 0),
  coalesce(sum(n) FILTER (WHERE is_excused), 0),
  coalesce(sum(n) FILTER (WHERE NOT is_excused AND due_at <= now() AND step IS NOT NULL), 0)
FROM counted
ON CONFLICT (id) DO UPDATE SET
  counted_at = now(), due = excluded.due, overdue = excluded.overdue, waiting = excluded.waiting, excused = excluded.excused,
  due_versions = excluded.due_versions

-- name: count_hosts_behind
-- Count the hosts of each place, and keep the hundred hosts with most outdated images: every host is
-- looked at once for both. Of places, only what changed is written.
WITH hosts AS MATERIALIZED (
  SELECT c.host_id, h.place, c.is_silent, c.outdated, c.unknown, c.outdated_running
  FROM fleet.host_counts_now AS c
  JOIN fleet.hosts AS h ON h.host_id = c.host_id
), places AS MATERIALIZED (
  SELECT
    place, count(*) AS hosts, count(*) FILTER (WHERE outdated > 0) AS outdated,
    count(*) FILTER (WHERE is_silent) AS silent, sum(outdated)::bigint AS outdated_images
  FROM hosts
  WHERE place <> ''
  GROUP BY place
), worst AS MATERIALIZED (
  SELECT host_id, outdated, unknown, outdated_running
  FROM hosts
  WHERE outdated > 0
  ORDER BY outdated DESC, host_id
  LIMIT 100
), places_gone AS (
  DELETE FROM fleet.place_counts AS p WHERE NOT EXISTS (SELECT FROM places AS n WHERE n.place = p.place)
), places_kept AS (
  INSERT INTO fleet.place_counts AS p (place, hosts, outdated, silent, outdated_images)
  SELECT place, hosts, outdated, silent, outdated_images FROM places
  ON CONFLICT (place) DO UPDATE SET
    hosts = excluded.hosts, outdated = excluded.outdated, silent = excluded.silent, outdated_images = excluded.outdated_images
  WHERE (p.hosts, p.outdated, p.silent, p.outdated_images)
    <> (excluded.hosts, excluded.outdated, excluded.silent, excluded.outdated_images)
), worst_gone AS (
  DELETE FROM fleet.worst_hosts AS w WHERE NOT EXISTS (SELECT FROM worst AS n WHERE n.host_id = w.host_id)
)
INSERT INTO fleet.worst_hosts (host_id, outdated, unknown, outdated_running)
SELECT host_id, outdated, unknown, outdated_running FROM worst
ON CONFLICT (host_id) DO UPDATE SET
  outdated = excluded.outdated, unknown = excluded.unknown, outdated_running = excluded.outdated_running

-- name: find_troubled_hosts
-- Keep the hundred hosts that have been silent longest, and a hundred degraded ones.
WITH now AS MATERIALIZED (
  (
    SELECT s.host_id FROM fleet.host_state AS s
    WHERE s.counts AND s.silent_at < now()
    ORDER BY s.last_seen_at, s.host_id
    LIMIT 100
  )
  UNION ALL
  (
    SELECT s.host_id FROM fleet.host_state AS s
    WHERE s.counts AND fleet.state_of(s) = 'degraded'
    ORDER BY s.last_seen_at, s.host_id
    LIMIT 100
  )
), gone AS (
  DELETE FROM fleet.troubled_hosts AS t WHERE NOT EXISTS (SELECT FROM now WHERE now.host_id = t.host_id)
)
INSERT INTO fleet.troubled_hosts (host_id)
SELECT host_id FROM now
ON CONFLICT DO NOTHING

-- name: find_longest_outdated
-- Keep the hundred images of hosts that have been outdated longest.
WITH now AS MATERIALIZED (
  SELECT hi.host_id, hi.comparison_id
  FROM fleet.host_images AS hi
  JOIN fleet.comparisons AS c ON c.comparison_id = hi.comparison_id
  WHERE c.verdict = 'outdated'
  ORDER BY greatest(c.verdict_since, hi.since), hi.host_id, hi.comparison_id
  LIMIT 100
), gone AS (
  DELETE FROM fleet.longest_outdated AS l
  WHERE NOT EXISTS (SELECT FROM now WHERE now.host_id = l.host_id AND now.comparison_id = l.comparison_id)
)
INSERT INTO fleet.longest_outdated (host_id, comparison_id)
SELECT host_id, comparison_id FROM now
ON CONFLICT DO NOTHING

-- name: note_counted
-- Keep the fleet summary, and note when it was counted, and by whom: $1 is null for an operator.
INSERT INTO fleet.counted AS c (
  hosts, silent_hosts, degraded_hosts, images, current, outdated, pinned, local, missing, unknown,
  stale, exported_by, exported_at
)
SELECT
  s.hosts, s.silent_hosts, s.degraded_hosts, s.images, s.current, s.outdated, s.pinned, s.local,
  s.missing, s.unknown, s.stale, $1::uuid, CASE WHEN $1::uuid IS NOT NULL THEN now() END
FROM ops.fleet_summary AS s
ON CONFLICT (id) DO UPDATE SET
  counted_at = now(),
  hosts = excluded.hosts, silent_hosts = excluded.silent_hosts, degraded_hosts = excluded.degraded_hosts,
  images = excluded.images, current = excluded.current, outdated = excluded.outdated,
  pinned = excluded.pinned, local = excluded.local, missing = excluded.missing,
  unknown = excluded.unknown, stale = excluded.stale,
  exported_by = coalesce(excluded.exported_by, c.exported_by),
  exported_at = coalesce(excluded.exported_at, c.exported_at)

-- name: last_export
-- The process that has the figures in its metrics, and how long ago it counted.
SELECT exported_by = $1::uuid AS is_ours, extract(epoch FROM now() - exported_at)::float8 AS age_s
FROM fleet.counted
WHERE exported_by IS NOT NULL AND exported_at IS NOT NULL

-- name: figures
-- The fleet in figures.
SELECT
  counted_at, hosts, silent_hosts, degraded_hosts, current, outdated, pinned, local, missing, unknown, stale,
  due, overdue, waiting, excused, due_versions
FROM ops.fleet_counts

-- name: database_figures
-- How much of the database VACUUM cannot remove, and how old its oldest transaction id is: a transaction
-- that is never ended, a replication slot that nobody reads, or no autovacuum. Counts are estimates.
SELECT
  (SELECT coalesce(sum(n_live_tup), 0)::bigint FROM pg_stat_all_tables WHERE schemaname IN ('fleet', 'notify')) AS live_rows,
  (SELECT coalesce(sum(n_dead_tup), 0)::bigint FROM pg_stat_all_tables WHERE schemaname IN ('fleet', 'notify')) AS dead_rows,
  (SELECT age(datfrozenxid)::bigint FROM pg_database WHERE datname = current_database()) AS transaction_age

-- name: place_figures
-- Places down to a level, a bounded number of them. A place of one host alone is that host: no metric
-- has a label with one.
SELECT place, hosts, outdated
FROM ops.places
WHERE level <= $1::integer AND hosts > 1
ORDER BY level, hosts DESC, place
LIMIT $2::integer

-- name: reference_figures
-- References that are outdated on most hosts.
SELECT reference, outdated_hosts
FROM ops.images
WHERE outdated_hosts > 0
ORDER BY outdated_hosts DESC, reference
LIMIT $1::integer

-- name: budget_figures
-- Budgets that registries told, those of most hosts first: a host can make up registries and references.
SELECT registry, credential, rate_limit, greatest(rate_remaining, 0) AS rate_remaining
FROM ops.registries
WHERE rate_limit > 0 AND rate_remaining IS NOT NULL
ORDER BY hosts DESC, registry, credential
LIMIT $1::integer
