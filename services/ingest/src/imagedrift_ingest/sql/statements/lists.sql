-- Tag lists, and what is newer than what hosts run.
--
-- Locks in one order: lists by id, quotas by host, answers by id, rows of newer by reference and step.

-- name: unread_tags
-- References whose tags were not read yet, a bounded number of them.
SELECT r.ref_id, r.registry, r.repository, r.tag
FROM fleet.image_refs AS r
LEFT JOIN fleet.versions AS v ON v.ref_id = r.ref_id
WHERE v.ref_id IS NULL AND r.tag IS NOT NULL
ORDER BY r.ref_id
LIMIT $1::integer
FOR KEY SHARE OF r

-- name: outgrown_tags
-- References whose tags another grammar read, a bounded number of them.
SELECT r.ref_id, r.registry, r.repository, r.tag
FROM fleet.versions AS v
JOIN fleet.image_refs AS r ON r.ref_id = v.ref_id
WHERE v.grammar < $2::integer OR v.grammar > $2::integer
ORDER BY r.ref_id
LIMIT $1::integer
FOR KEY SHARE OF r

-- name: open_lists
-- Make rows for repositories that have none. Sorted by the caller.
INSERT INTO fleet.tag_lists (registry, repository)
SELECT s.registry, s.repository FROM unnest($1::text[], $2::text[]) AS s (registry, repository)
ON CONFLICT (registry, repository) DO NOTHING

-- name: add_versions
-- Note what the tags of references tell by grammar $6. Sorted by the caller. What another grammar told
-- has to be compared again; the moments since when something is newer stay.
INSERT INTO fleet.versions AS v (ref_id, list_id, track, version, grammar)
SELECT s.ref_id, l.list_id, CASE WHEN l.list_id IS NOT NULL THEN s.track END, CASE WHEN l.list_id IS NOT NULL THEN s.version END, $6::integer
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[]) AS s (ref_id, registry, repository, track, version)
LEFT JOIN fleet.tag_lists AS l ON l.registry = s.registry AND l.repository = s.repository AND s.track IS NOT NULL
ON CONFLICT (ref_id) DO UPDATE SET
  list_id = excluded.list_id, track = excluded.track, version = excluded.version, grammar = excluded.grammar,
  is_compared = false, is_whole = false, behind = NULL, left_out = false
WHERE v.grammar <> excluded.grammar

-- name: drop_steps_of
-- Remove the steps of references whose tags tell no version any more.
DELETE FROM fleet.newer WHERE ref_id = any($1::bigint[])

-- name: count_lists
-- Note how many hosts run versions of each repository, and who brought it. However many tags a host
-- brought, it counts once. A repository is listed once its registry has told a digest of it: a name
-- that somebody made up is not. A list that none wants is not due; one that is wanted again is due when
-- the last one is $1 seconds old.
WITH brought AS (
  SELECT list_id, coalesce(brought_by, 0) AS brought_by, max(weight) AS weight
  FROM fleet.used_versions
  WHERE weight > 0 AND is_found
  GROUP BY list_id, coalesce(brought_by, 0)
), counted AS MATERIALIZED (
  SELECT
    list_id, sum(weight)::integer AS weight,
    (array_agg(brought_by ORDER BY weight DESC, brought_by))[1] AS brought_by
  FROM brought
  GROUP BY list_id
), locked AS MATERIALIZED (
  SELECT l.list_id, coalesce(n.weight, 0) AS weight, coalesce(n.brought_by, l.brought_by) AS brought_by
  FROM fleet.tag_lists AS l
  LEFT JOIN counted AS n ON n.list_id = l.list_id
  WHERE (l.weight, l.next_list_at IS NOT NULL, l.brought_by)
    IS DISTINCT FROM (coalesce(n.weight, 0), n.weight IS NOT NULL, coalesce(n.brought_by, l.brought_by))
  ORDER BY l.list_id
  FOR NO KEY UPDATE OF l
)
UPDATE fleet.tag_lists AS l SET
  weight = k.weight,
  brought_by = k.brought_by,
  next_list_at = CASE WHEN k.weight > 0 THEN coalesce(l.next_list_at, greatest(now(), l.attempted_at + make_interval(secs => $1::float8))) END
FROM locked AS k
WHERE l.list_id = k.list_id

-- name: rest_lists
-- Let no list be due: they are switched off.
UPDATE fleet.tag_lists SET next_list_at = NULL
WHERE list_id IN (SELECT list_id FROM fleet.tag_lists WHERE next_list_at IS NOT NULL ORDER BY list_id FOR NO KEY UPDATE)

-- name: any_list_due
-- Whether a list is due: asked often, so it reads one index entry.
SELECT EXISTS (SELECT FROM fleet.tag_lists WHERE next_list_at <= $1::timestamptz)

-- name: due_lists
-- Lists that are due, those of most running hosts first, and the tags that hosts run. At most $2 of a
-- registry are out at a time. Among lists that as many hosts run, one or none being as many, the hosts
-- that brought them take turns, and at most $6 of those that one host alone brought are out: however many
-- repositories a host brings, another's few are not behind them. What is out has the first turns. $4:
-- questions from before that have left their stream.
WITH waiting AS (
  SELECT list_id, registry, repository, weight AS hosts, attempted_at, brought_by, false AS is_out
  FROM fleet.tag_lists
  WHERE next_list_at <= $1::timestamptz AND registry <> ALL (ARRAY(
    SELECT registry
    FROM fleet.registry_states
    GROUP BY registry
    HAVING bool_and(greatest(blocked_until, get_blocked_until, '-infinity') > $1::timestamptz)
  ))
  UNION ALL
  SELECT list_id, registry, repository, weight, attempted_at, brought_by, true
  FROM fleet.tag_lists
  WHERE (attempted_at IS NULL OR asked_at > attempted_at) AND asked_at > $4::timestamptz AND next_list_at > $1::timestamptz
), in_turn AS (
  SELECT
    w.*, greatest(w.hosts, 1) AS weight, row_number() OVER (
      PARTITION BY greatest(w.hosts, 1), coalesce(w.brought_by, 0)
      ORDER BY w.is_out DESC, w.attempted_at NULLS FIRST, w.list_id
    ) AS turn
  FROM waiting AS w
), ranked AS (
  SELECT
    t.*, row_number() OVER (
      PARTITION BY t.registry ORDER BY t.is_out DESC, t.weight DESC, t.turn, t.attempted_at NULLS FIRST, t.list_id
    ) AS rank
  FROM in_turn AS t
), askable AS (
  -- Counted for the host after this: what its registry has no room for takes no room of the host's.
  SELECT k.*, row_number() OVER (PARTITION BY k.weight, coalesce(k.brought_by, 0) ORDER BY k.turn) AS nth
  FROM ranked AS k
  WHERE k.is_out OR k.rank <= $2::integer
), picked AS MATERIALIZED (
  SELECT k.*
  FROM askable AS k
  WHERE NOT k.is_out AND (k.weight > 1 OR k.nth <= $6::integer)
  ORDER BY k.weight DESC, k.turn, k.attempted_at NULLS FIRST, k.list_id
  LIMIT $3::integer
)
SELECT
  p.list_id, p.registry, p.repository, p.hosts,
  ARRAY(
    SELECT u.tag FROM fleet.used_versions AS u
    WHERE u.list_id = p.list_id
    ORDER BY u.weight DESC, u.ref_id
    LIMIT $5::integer
  ) AS tags
FROM picked AS p
ORDER BY p.weight DESC, p.turn, p.attempted_at NULLS FIRST, p.list_id

-- name: lock_lists
-- Lock lists in id order, as everybody locks them.
SELECT FROM fleet.tag_lists WHERE list_id = any($1::bigint[]) ORDER BY list_id FOR NO KEY UPDATE

-- name: asked_lists
-- Note that questions are out, and when they are due next. The list may have come already.
UPDATE fleet.tag_lists AS l SET
  asked_at = coalesce(s.asked_at, l.asked_at),
  next_list_at = greatest(s.next_list_at, CASE WHEN l.next_list_at > $2::timestamptz THEN l.next_list_at END)
FROM unnest($1::bigint[], $3::timestamptz[], $4::timestamptz[]) AS s (list_id, asked_at, next_list_at)
WHERE l.list_id = s.list_id AND l.next_list_at IS NOT NULL

-- name: take_lists
-- What is known of repositories, locked in id order.
SELECT
  l.list_id, l.registry, l.repository, l.epoch, l.seq, l.tracks, l.names, l.cut, l.truncated, l.listed_at,
  l.changed_at, l.attempted_at, l.failure, l.error, l.failures, l.failing_since, l.next_list_at, l.whole_until,
  l.grammar
FROM unnest($1::text[], $2::text[]) AS s (registry, repository)
JOIN fleet.tag_lists AS l ON l.registry = s.registry AND l.repository = s.repository
ORDER BY l.list_id
FOR NO KEY UPDATE OF l

-- name: save_lists
-- Write what is now known of repositories.
UPDATE fleet.tag_lists AS l SET
  epoch = s.epoch, seq = s.seq, tracks = s.tracks, names = s.names, cut = s.cut, truncated = s.truncated,
  listed_at = s.listed_at, changed_at = s.changed_at, attempted_at = s.attempted_at, failure = s.failure,
  error = s.error, failures = s.failures, failing_since = s.failing_since, whole_until = s.whole_until, grammar = s.grammar,
  next_list_at = CASE WHEN l.next_list_at IS NOT NULL THEN s.next_list_at END
FROM unnest(
  $1::bigint[], $2::bigint[], $3::bigint[], $4::jsonb[], $5::integer[], $6::boolean[], $7::text[],
  $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::text[], $12::text[], $13::integer[],
  $14::timestamptz[], $15::timestamptz[], $16::timestamptz[], $17::integer[]
) AS s (
  list_id, epoch, seq, tracks, names, cut, truncated, listed_at, changed_at, attempted_at, failure, error,
  failures, failing_since, next_list_at, whole_until, grammar
)
WHERE l.list_id = s.list_id

-- name: uncompared
-- Repositories whose references have to be compared with the list that is there, or are compared and
-- on no host any more; a bounded number of them.
SELECT l.registry, l.repository
FROM fleet.versions AS v
JOIN fleet.tag_lists AS l ON l.list_id = v.list_id
LEFT JOIN fleet.used_versions AS u ON u.ref_id = v.ref_id
WHERE (u.ref_id IS NULL AND v.is_compared) OR (u.ref_id IS NOT NULL AND NOT v.is_compared AND l.listed_at IS NOT NULL)
GROUP BY l.registry, l.repository
LIMIT $1::integer

-- name: versions_of
-- The references of lists that are compared or have to be, those of most hosts first; `used`: a host
-- has an image of it. Beyond the first $2 of a list only those come that do not say yet that they are
-- left out.
WITH standing AS (
  SELECT
    v.ref_id, v.list_id, r.tag, v.is_compared, v.is_whole, v.behind, v.left_out, a.weight, a.brought_by,
    CASE WHEN NOT a.gone THEN a.remote_since END AS found_since,
    r.policy = 'ask' AND a.hosts > 0 AND a.next_check_at IS NOT NULL AND (
      SELECT true FROM fleet.comparisons AS c WHERE c.ref_id = v.ref_id AND c.repo_digests <> '{}' LIMIT 1
    ) IS NOT NULL AS used
  FROM fleet.versions AS v
  JOIN fleet.image_refs AS r ON r.ref_id = v.ref_id
  JOIN fleet.answers AS a ON a.ref_id = v.ref_id
  WHERE v.list_id = any($1::bigint[])
), ranked AS (
  SELECT s.*, row_number() OVER (PARTITION BY s.list_id, s.used ORDER BY s.weight DESC, s.ref_id) AS rank
  FROM standing AS s
  WHERE s.used OR s.is_compared
)
SELECT ref_id, list_id, tag, is_compared, is_whole, behind, left_out, found_since, coalesce(brought_by, 0) AS brought_by, used, rank
FROM ranked
WHERE NOT used OR rank <= $2::integer OR NOT is_compared OR NOT left_out
ORDER BY list_id, used DESC, rank

-- name: steps_of
-- The steps in which something is newer than references, by the tag of the candidate.
SELECT n.ref_id, n.step, r.tag, CASE WHEN NOT a.gone THEN a.remote_since END AS found_since
FROM fleet.newer AS n
JOIN fleet.image_refs AS r ON r.ref_id = n.candidate_ref_id
JOIN fleet.answers AS a ON a.ref_id = n.candidate_ref_id
WHERE n.ref_id = any($1::bigint[])

-- name: wake_candidates
-- Make candidates due that rest, and note for whose reference they are asked: the caller holds them.
UPDATE fleet.answers AS a SET
  next_check_at = coalesce(a.next_check_at, now()),
  brought_by = coalesce(a.brought_by, nullif(s.brought_by, 0))
FROM unnest($1::bigint[], $2::bigint[]) AS s (ref_id, brought_by)
WHERE a.ref_id = s.ref_id AND (a.next_check_at IS NULL OR (a.brought_by IS NULL AND s.brought_by > 0))

-- name: doubt_tags
-- Make tags due at once that their list lacks: the caller holds them. They may be gone.
UPDATE fleet.answers SET next_check_at = now()
WHERE ref_id = any($1::bigint[]) AND next_check_at > now()

-- name: keys_of
-- The keys of references.
SELECT r.reference, r.ref_id
FROM unnest($1::text[]) AS s (reference)
JOIN fleet.image_refs AS r ON r.reference = s.reference

-- name: lock_answers
-- Lock answers in id order, as everybody locks them.
SELECT FROM fleet.answers WHERE ref_id = any($1::bigint[]) ORDER BY ref_id FOR NO KEY UPDATE

-- name: save_versions
-- Note how references stand in their lists. Their list is locked. A whole list knows all steps: what is
-- remembered of others is over.
UPDATE fleet.versions AS v SET
  is_compared = s.is_compared, is_whole = s.is_whole, behind = s.behind, left_out = s.left_out,
  since = CASE WHEN NOT s.is_whole THEN v.since END
FROM unnest($1::bigint[], $2::boolean[], $3::boolean[], $4::integer[], $5::boolean[])
  AS s (ref_id, is_compared, is_whole, behind, left_out)
WHERE v.ref_id = s.ref_id

-- name: drop_steps
-- Remove the steps in which nothing is newer any more: the caller holds them, and their list. Where it
-- is not known that nothing is newer, the moment is remembered since when something was.
WITH dropped AS (
  DELETE FROM fleet.newer AS n
  USING unnest($1::bigint[], $2::text[]) AS s (ref_id, step)
  WHERE n.ref_id = s.ref_id AND n.step = s.step
  RETURNING n.ref_id, n.step, n.since
), remembered AS (
  SELECT ref_id, jsonb_object_agg(step, since) AS since FROM dropped WHERE since IS NOT NULL GROUP BY ref_id
)
UPDATE fleet.versions AS v SET since = coalesce(v.since, '{}') || d.since
FROM remembered AS d
WHERE v.ref_id = d.ref_id AND NOT v.is_whole

-- name: save_steps
-- Note the newest tag of a step. One that replaces another is not resolved yet; the moment since which
-- something is newer stays, also over a time without the step. Sorted by the caller; their list is locked.
INSERT INTO fleet.newer AS n (ref_id, step, candidate_ref_id, state, since)
SELECT s.ref_id, s.step, s.candidate_ref_id, 'unresolved', (v.since ->> s.step)::timestamptz
FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS s (ref_id, step, candidate_ref_id)
JOIN fleet.versions AS v ON v.ref_id = s.ref_id
ORDER BY s.ref_id, s.step
ON CONFLICT (ref_id, step) DO UPDATE SET candidate_ref_id = excluded.candidate_ref_id, state = 'unresolved'

-- name: lock_steps
-- The steps that references are part of, on either side, locked in order until the commit.
SELECT n.ref_id, n.step, n.candidate_ref_id, n.state, n.since
FROM fleet.newer AS n
WHERE n.ref_id = any($1::bigint[]) OR n.candidate_ref_id = any($1::bigint[])
ORDER BY n.ref_id, n.step
FOR NO KEY UPDATE OF n

-- name: sides
-- What is known of references and of the digests that they point to, read when the steps are locked.
SELECT
  a.ref_id, a.remote_digest, a.gone, a.failure IS NOT NULL AS failed, d.children,
  d.failure IS NOT NULL AS undescribable,
  (SELECT min(t.valid_from) FROM fleet.remote_history AS t WHERE t.ref_id = a.ref_id) AS since
FROM fleet.answers AS a
LEFT JOIN fleet.descriptions AS d ON d.digest = a.remote_digest
WHERE a.ref_id = any($1::bigint[])

-- name: local_sides
-- The images that hosts have of references, by platform.
SELECT c.ref_id, c.platform, c.manifest_digest, c.repo_digests
FROM fleet.comparisons AS c
WHERE c.ref_id = any($1::bigint[]) AND c.repo_digests <> '{}'
  AND (SELECT true FROM fleet.host_images AS hi WHERE hi.comparison_id = c.comparison_id LIMIT 1)
ORDER BY c.comparison_id

-- name: save_states
-- Note what candidates turned out to be.
UPDATE fleet.newer AS n SET state = s.state, since = s.since
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[]) AS s (ref_id, step, state, since)
WHERE n.ref_id = s.ref_id AND n.step = s.step

-- name: undescribed_candidates
-- Digests whose inside would tell whether a candidate is another image than what hosts run, once each:
-- the candidate's, and that of the reference itself, or of the base. What is described already is not asked for.
-- It is asked in the repository of one reference whose registry can be asked: one whose answer was found,
-- and after a failure another one than before. At most
-- $2 descriptions are out at a time, and of what one host alone brought $3: hosts take turns, as for
-- references. What is out has the first turns. $4: questions from before that have left their stream.
-- Of one host about a thousand are looked at, drawn anew each time: see `undescribed`.
WITH out AS MATERIALIZED (
  SELECT coalesce(a.brought_by, 0) AS brought_by, greatest(a.weight, 1) AS weight
  FROM fleet.descriptions AS d
  LEFT JOIN fleet.answers AS a ON a.ref_id = d.asked_ref_id
  -- The upper limit excludes nothing: see `undescribed`.
  WHERE (d.described_at IS NULL OR d.asked_at > d.described_at) AND d.asked_at > $4::timestamptz AND d.asked_at <= 'infinity'
), wanting AS (
  SELECT s.digest, s.ref_id, o.hosts, greatest(o.weight, 1) AS weight, coalesce(o.brought_by, 0) AS brought_by
  FROM fleet.newer AS n
  JOIN fleet.answers AS c ON c.ref_id = n.candidate_ref_id
  JOIN fleet.answers AS o ON o.ref_id = n.ref_id
  CROSS JOIN LATERAL (VALUES (c.remote_digest, c.ref_id), (o.remote_digest, o.ref_id)) AS s (digest, ref_id)
  LEFT JOIN fleet.descriptions AS d ON d.digest = s.digest
  WHERE n.state IN ('unresolved', 'failed') AND NOT c.gone AND s.digest IS NOT NULL
    AND c.remote_digest IS NOT NULL AND c.remote_digest IS DISTINCT FROM o.remote_digest
    AND d.children IS NULL AND (d.digest IS NULL OR d.next_ask_at <= $1::timestamptz)
  UNION ALL
  -- First what the tag of a base points to, which may name the base; then the base.
  SELECT s.digest, a.ref_id, a.hosts, greatest(a.weight, 1), coalesce(a.brought_by, 0)
  FROM fleet.bases AS b
  JOIN fleet.answers AS a ON a.ref_id = b.ref_id
  LEFT JOIN fleet.descriptions AS t ON t.digest = a.remote_digest
  CROSS JOIN LATERAL (SELECT CASE WHEN t.children IS NULL THEN a.remote_digest ELSE b.digest END AS digest) AS s
  LEFT JOIN fleet.descriptions AS d ON d.digest = s.digest
  WHERE b.unused_since IS NULL AND b.state IN ('unresolved', 'failed') AND b.judged_digest = a.remote_digest
    AND NOT a.gone AND d.children IS NULL AND (d.digest IS NULL OR d.next_ask_at <= $1::timestamptz)
), blocked AS (
  SELECT registry
  FROM fleet.registry_states
  GROUP BY registry
  HAVING bool_and(greatest(blocked_until, get_blocked_until, '-infinity') > $1::timestamptz)
), crowds AS MATERIALIZED (
  SELECT brought_by, count(*) AS digests FROM wanting WHERE weight = 1 GROUP BY brought_by HAVING count(*) > 1000
), drawn AS MATERIALIZED (
  SELECT u.*
  FROM wanting AS u
  LEFT JOIN crowds AS w ON w.brought_by = u.brought_by AND u.weight = 1
  WHERE random() * coalesce(w.digests, 1) < 1000
), askable AS (
  SELECT
    w.*, a.failure IS NOT NULL OR a.gone AS doubtful,
    d.failure IS NOT NULL AND d.asked_ref_id IS NOT DISTINCT FROM w.ref_id AS failed_here
  FROM drawn AS w
  JOIN fleet.image_refs AS r ON r.ref_id = w.ref_id
  JOIN fleet.answers AS a ON a.ref_id = w.ref_id
  LEFT JOIN fleet.descriptions AS d ON d.digest = w.digest
  WHERE r.policy = 'ask' AND r.registry <> ALL (ARRAY(SELECT registry FROM blocked))
), chosen AS (
  SELECT
    digest, max(hosts) AS hosts, max(weight) AS weight,
    (array_agg(ref_id ORDER BY failed_here, doubtful, weight DESC, ref_id))[1] AS ref_id,
    (array_agg(brought_by ORDER BY weight DESC, ref_id))[1] AS brought_by
  FROM askable
  GROUP BY digest
), in_turn AS (
  SELECT c.*, row_number() OVER (PARTITION BY c.weight, c.brought_by ORDER BY c.is_out DESC, c.digest) AS turn
  FROM (
    SELECT ch.digest, ch.ref_id, r.registry, r.repository, ch.hosts, ch.weight, ch.brought_by, false AS is_out
    FROM chosen AS ch
    JOIN fleet.image_refs AS r ON r.ref_id = ch.ref_id
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, weight, brought_by, true FROM out
  ) AS c
)
SELECT t.digest, t.ref_id, t.registry, t.repository, t.hosts
FROM in_turn AS t
WHERE NOT t.is_out AND (t.weight > 1 OR t.turn <= $3::integer)
ORDER BY t.weight DESC, t.turn, t.digest
LIMIT greatest($2::integer - (SELECT count(*) FROM out), 0)
