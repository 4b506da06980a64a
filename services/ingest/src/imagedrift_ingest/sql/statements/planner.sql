-- Which references are due, and when the others will be.

-- name: any_due
-- Whether a reference is due: asked often, so it reads one index entry. Those of a registry that
-- blocks us do not keep it true, as they are moved to the end of the block.
SELECT EXISTS (SELECT FROM fleet.answers WHERE next_check_at <= $1::timestamptz)

-- name: due
-- References that are due, those run by most hosts first; at most $2 of a registry are out without
-- an answer at a time, and of one that blocks us only those that were never tried, which then learn
-- the reason. Among references that as many hosts run, one or none being as many, the hosts that
-- brought them take turns, each with the oldest check first, and at most $5 of those that one host
-- brought are out: however many a host brings, another's few are not behind them, here or in the
-- stream. `wanted`: some host has an image to compare, or it is a candidate: a newer version, or a base.
-- What is due and not picked, for want of room, keeps its moment: one that is over says that the
-- reference is next in line. When there is room depends on answers that nobody can foretell, and a
-- guess would be written anew at every look.
-- $4: questions from before that have left their stream, and are out no more.
WITH out AS MATERIALIZED (
  SELECT r.registry, greatest(a.weight, 1) AS weight, coalesce(a.brought_by, 0) AS brought_by
  FROM fleet.answers AS a
  JOIN fleet.image_refs AS r ON r.ref_id = a.ref_id
  WHERE a.next_check_at > $1::timestamptz AND a.asked_at > $4::timestamptz
    AND a.asked_at > coalesce(a.attempted_at, '-infinity')
), of_registry AS (
  SELECT registry, count(*) AS n FROM out GROUP BY registry
), of_host AS (
  SELECT brought_by, count(*) AS n FROM out WHERE weight = 1 GROUP BY brought_by
), waiting AS (
  SELECT
    a.ref_id, a.remote_digest, a.attempted_at, a.hosts, greatest(a.weight, 1) AS weight,
    coalesce(a.brought_by, 0) AS brought_by,
    row_number() OVER (
      PARTITION BY greatest(a.weight, 1), coalesce(a.brought_by, 0) ORDER BY a.weight DESC, a.attempted_at NULLS FIRST, a.ref_id
    ) AS turn
  FROM fleet.answers AS a
  WHERE a.next_check_at <= $1::timestamptz
), ranked AS (
  SELECT
    w.*, r.registry, r.repository, r.tag,
    row_number() OVER (PARTITION BY r.registry ORDER BY w.weight DESC, w.turn, w.attempted_at NULLS FIRST) AS rank
  FROM waiting AS w
  JOIN fleet.image_refs AS r ON r.ref_id = w.ref_id
), blocked AS (
  SELECT registry, min(greatest(blocked_until, '-infinity')) AS until
  FROM fleet.registry_states
  GROUP BY registry
), askable AS (
  -- Counted for the host after this: what its registry has no room for takes no room of the host's.
  SELECT k.*, row_number() OVER (PARTITION BY k.weight, k.brought_by ORDER BY k.turn) AS nth
  FROM ranked AS k
  LEFT JOIN of_registry AS o ON o.registry = k.registry
  LEFT JOIN blocked AS b ON b.registry = k.registry
  WHERE k.rank <= $2::integer - coalesce(o.n, 0)
    AND (b.until IS NULL OR b.until <= $1::timestamptz OR k.attempted_at IS NULL)
), picked AS MATERIALIZED (
  SELECT k.*
  FROM askable AS k
  LEFT JOIN of_host AS o ON o.brought_by = k.brought_by
  WHERE k.weight > 1 OR k.nth <= $5::integer - coalesce(o.n, 0)
  ORDER BY k.weight DESC, k.turn, k.attempted_at NULLS FIRST
  LIMIT $3::integer
)
SELECT
  p.ref_id, p.registry, p.repository, p.tag, p.remote_digest, p.hosts, p.brought_by,
  -- A scalar, not EXISTS: that could be planned as one pass over all images of all hosts.
  (
    SELECT true
    FROM fleet.comparisons AS c
    CROSS JOIN LATERAL (
      SELECT FROM fleet.host_images AS hi WHERE hi.comparison_id = c.comparison_id LIMIT 1
    ) AS used
    WHERE c.ref_id = p.ref_id AND c.repo_digests <> '{}'
    LIMIT 1
  ) IS NOT NULL OR (SELECT true FROM fleet.candidates AS n WHERE n.ref_id = p.ref_id LIMIT 1) IS NOT NULL AS wanted
FROM picked AS p
ORDER BY p.weight DESC, p.turn, p.attempted_at NULLS FIRST

-- name: read_by_index
-- Before `unwanted`, in its transaction: it looks for the images of each reference, and for a host of
-- each image. Planned while these tables were small, it would read them whole each time, and take
-- seconds for the thousand references that one host has brought and dropped.
SELECT set_config('enable_seqscan', 'off', true)

-- name: unwanted
-- References that are due since a moment and that no host has, of those that the given hosts brought;
-- candidates may be on no host, and are wanted.
SELECT a.ref_id
FROM fleet.answers AS a
WHERE a.next_check_at <= $1::timestamptz AND coalesce(a.brought_by, 0) = any($2::bigint[])
  AND (
    SELECT true
    FROM fleet.comparisons AS c
    CROSS JOIN LATERAL (
      SELECT FROM fleet.host_images AS hi WHERE hi.comparison_id = c.comparison_id LIMIT 1
    ) AS used
    WHERE c.ref_id = a.ref_id AND c.repo_digests <> '{}'
    LIMIT 1
  ) IS NULL
  AND (SELECT true FROM fleet.candidates AS n WHERE n.ref_id = a.ref_id LIMIT 1) IS NULL
LIMIT $3::integer

-- name: rest
-- Let references rest that no host has: they are not due until one gets them (`wake`). A host that gets one
-- at this very moment may be missed; counting the hosts of all references finds that out, within half a
-- minute. A new reference is made just before the rows
-- of its first host, so that `unwanted` leaves out what is due for a few seconds only.
UPDATE fleet.answers SET next_check_at = NULL WHERE ref_id = any($1::bigint[])

-- name: blocks
-- Registries that cannot be asked, and until when: a registry opens when its first credential is
-- free. What blocks only GETs does not count: a tag is asked about with HEAD.
SELECT registry, min(greatest(blocked_until, '-infinity')) AS opens
FROM fleet.registry_states
GROUP BY registry
HAVING min(greatest(blocked_until, '-infinity')) > $1::timestamptz

-- name: misplaced
-- References that are due in a window of their registry's time, those that are due soonest first,
-- and their rank by how many hosts run them. One that was never tried is asked all the same when
-- it is due, once, and is moved afterwards.
WITH windows AS MATERIALIZED (
  SELECT w.registry, w.since, w.until, w.opens
  FROM unnest($2::text[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[])
    AS w (registry, since, until, opens)
)
SELECT
  a.ref_id, w.registry, a.next_check_at, w.opens,
  row_number() OVER (PARTITION BY w.registry ORDER BY a.weight DESC, a.ref_id) AS rank,
  count(*) OVER (PARTITION BY w.registry) AS of
FROM fleet.answers AS a
JOIN fleet.image_refs AS r ON r.ref_id = a.ref_id
JOIN windows AS w ON w.registry = r.registry
WHERE a.next_check_at >= (SELECT min(since) FROM windows) AND a.next_check_at < (SELECT max(until) FROM windows)
  AND a.next_check_at >= w.since AND a.next_check_at < w.until
  AND (a.attempted_at IS NOT NULL OR a.next_check_at > $1::timestamptz)
ORDER BY a.next_check_at

-- name: move
-- Change when locked references are due, unless that has changed since it was read.
UPDATE fleet.answers AS a SET next_check_at = s.next_check_at
FROM unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[]) AS s (ref_id, was, next_check_at)
WHERE a.ref_id = s.ref_id AND a.next_check_at = s.was

-- name: lock_answers
-- Lock answers in id order, as everybody locks them.
SELECT FROM fleet.answers WHERE ref_id = any($1::bigint[]) ORDER BY ref_id FOR NO KEY UPDATE

-- name: asked
-- Note that questions are out, and when they are due next. The answer may have come already.
UPDATE fleet.answers AS a SET
  asked_at = $2::timestamptz,
  next_check_at = greatest(s.next_check_at, CASE WHEN a.next_check_at > $2::timestamptz THEN a.next_check_at END)
FROM unnest($1::bigint[], $3::timestamptz[]) AS s (ref_id, next_check_at)
WHERE a.ref_id = s.ref_id AND a.next_check_at IS NOT NULL
