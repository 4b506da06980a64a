-- References and comparisons: what is stored once, however many hosts have it.

-- name: find
-- Comparisons that are known, with the facts that their first host told.
SELECT s.nth, c.comparison_id, c.ref_id, c.size_bytes, c.created_at, c.facts IS NOT NULL AS has_versions
FROM unnest($1::text[], $2::bytea[]) WITH ORDINALITY AS s (reference, identity, nth)
JOIN fleet.image_refs AS r ON r.reference = s.reference
JOIN fleet.comparisons AS c ON c.ref_id = r.ref_id AND c.identity = s.identity

-- name: known_refs
-- Which references have a row.
SELECT r.reference
FROM unnest($1::text[]) AS s (reference)
JOIN fleet.image_refs AS r ON r.reference = s.reference

-- name: add_refs
-- Make rows for new references, and return their keys. Sorted by the caller, so that two replicas
-- cannot deadlock. One that another replica makes at the same time is not returned.
INSERT INTO fleet.image_refs (reference, registry, repository, tag, policy)
SELECT s.reference, s.registry, s.repository, s.tag, s.policy
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
  AS s (reference, registry, repository, tag, policy)
ON CONFLICT (reference) DO NOTHING
RETURNING reference, ref_id

-- name: add_answers
-- Every reference has a row for its answer. It is due at once when hosts bring an image to compare:
-- their rows follow in another transaction. Otherwise it is due when a host has one.
INSERT INTO fleet.answers (ref_id, next_check_at, brought_by, hosts, weight)
SELECT s.ref_id, CASE WHEN s.hosts > 0 THEN now() END, s.brought_by, s.hosts, s.running
FROM unnest($1::bigint[], $2::bigint[], $3::integer[], $4::integer[]) AS s (ref_id, brought_by, hosts, running)

-- name: lock
-- What is known of references, and of all that point to digests, locked in id order: a verdict is
-- made of it until the commit.
WITH wanted AS (
  SELECT r.ref_id
  FROM unnest($1::text[]) AS s (reference)
  JOIN fleet.image_refs AS r ON r.reference = s.reference
  UNION
  SELECT a.ref_id
  FROM unnest($2::text[]) AS s (digest)
  JOIN fleet.answers AS a ON a.remote_digest = s.digest
)
SELECT
  r.reference, r.policy, a.ref_id, a.epoch, a.seq, a.remote_digest, a.remote_since, a.gone,
  a.checked_at, a.attempted_at, a.failure, a.error, a.failures, a.failing_since, a.next_check_at
FROM wanted AS w
JOIN fleet.answers AS a ON a.ref_id = w.ref_id
JOIN fleet.image_refs AS r ON r.ref_id = w.ref_id
ORDER BY a.ref_id
FOR NO KEY UPDATE OF a

-- name: add_comparisons
-- Make rows for new local images, with the verdict that they are born with, and return their keys. An image that is
-- outdated at birth has been since its own digest was last replaced by another one.
INSERT INTO fleet.comparisons (
  ref_id, image_id, repo_digests, platform, manifest_digest, digest_lost, by_digest, size_bytes,
  created_at, verdict, reason, facts, verdict_since
)
SELECT
  s.ref_id, s.image_id, d.digests, s.platform, s.manifest_digest, f.lost, f.by_digest, s.size_bytes,
  s.created_at, s.verdict, s.reason, s.facts,
  CASE WHEN s.verdict = 'outdated' THEN coalesce(
    (
      SELECT min(t.valid_from)
      FROM fleet.remote_history AS t
      WHERE t.ref_id = s.ref_id AND t.digest <> ALL (d.digests) AND t.valid_from >= (
        SELECT max(own.valid_to) FROM fleet.remote_history AS own WHERE own.ref_id = s.ref_id AND own.digest = ANY (d.digests)
      )
    ),
    (SELECT a.remote_since FROM fleet.answers AS a WHERE a.ref_id = s.ref_id), now())
  ELSE now() END
FROM unnest(
  $1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::boolean[], $8::bigint[],
  $9::timestamptz[], $10::text[], $11::text[], $12::jsonb[]
) AS s (
  ref_id, image_id, repo_digests, platform, manifest_digest, digest_lost, by_digest, size_bytes,
  created_at, verdict, reason, facts
)
CROSS JOIN LATERAL (SELECT string_to_array(s.repo_digests, ',') AS digests) AS d
CROSS JOIN LATERAL (SELECT coalesce(s.digest_lost, false) AS lost, coalesce(s.by_digest, false) AS by_digest) AS f
ORDER BY s.ref_id, s.image_id, s.repo_digests, s.platform, s.manifest_digest, f.lost, f.by_digest
ON CONFLICT (ref_id, identity) DO NOTHING
RETURNING comparison_id, ref_id, identity

-- name: make_due
-- Ask at once about references that got a new image to compare, unless their answer is fresh or
-- their question is out.
UPDATE fleet.answers AS a
SET next_check_at = least(a.next_check_at, greatest(now(), greatest(a.attempted_at, a.asked_at) + make_interval(secs => $2::float8)))
FROM fleet.image_refs AS r
WHERE a.ref_id = any($1::bigint[]) AND r.ref_id = a.ref_id AND r.policy = 'ask'
  AND a.next_check_at > greatest(now(), greatest(a.attempted_at, a.asked_at) + make_interval(secs => $2::float8))

-- name: resting
-- Which of these references rest: no host had an image of them to compare, so their answers are not due.
SELECT a.ref_id, r.reference
FROM (
  SELECT a.ref_id FROM fleet.answers AS a
  WHERE a.ref_id = any($1::bigint[]) AND a.next_check_at IS NULL
  ORDER BY a.ref_id
  FOR NO KEY UPDATE OF a
) AS a
JOIN fleet.image_refs AS r ON r.ref_id = a.ref_id
WHERE r.policy = 'ask'

-- name: wake
-- Make references due that rested and that hosts have now.
UPDATE fleet.answers AS a SET
  next_check_at = now(),
  brought_by = s.brought_by,
  hosts = greatest(a.hosts, s.hosts),
  weight = greatest(a.weight, s.running)
FROM unnest($1::bigint[], $2::bigint[], $3::integer[], $4::integer[]) AS s (ref_id, brought_by, hosts, running)
WHERE a.ref_id = s.ref_id

-- name: add_facts
-- Keep what the labels of images say that were known before any agent told it. In id order, as
-- everybody locks comparisons.
WITH told AS MATERIALIZED (
  SELECT c.comparison_id, s.facts
  FROM unnest($1::bigint[], $2::jsonb[]) AS s (comparison_id, facts)
  JOIN fleet.comparisons AS c ON c.comparison_id = s.comparison_id
  WHERE c.facts IS NULL
  ORDER BY c.comparison_id
  FOR NO KEY UPDATE OF c
)
UPDATE fleet.comparisons AS c SET facts = t.facts
FROM told AS t
WHERE c.comparison_id = t.comparison_id
