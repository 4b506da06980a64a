-- The images that others were built on, as labels name them.
--
-- Locks in one order: quotas by host, answers by id, bases by id.

-- name: rest_bases
-- Note which bases no image in use was built on; $1: none is followed.
UPDATE fleet.bases SET unused_since = now()
WHERE base_id IN (
  SELECT b.base_id
  FROM fleet.bases AS b
  WHERE b.unused_since IS NULL AND ($1::boolean OR NOT EXISTS (
    SELECT FROM fleet.comparisons AS c
    WHERE c.facts ->> 'base_name' = b.name AND c.facts ->> 'base_digest' = b.digest AND c.platform = b.platform
      AND c.facts ? 'base_digest' AND c.unused_since IS NULL
  ))
  ORDER BY b.base_id
  FOR NO KEY UPDATE
)

-- name: unread_bases
-- Bases that labels of images in use name and that are not followed yet, a bounded number of them, each
-- with hosts that brought such an image; a local build nobody asks about, so that one counts that has
-- it. What one host names first, others may want as well. A name that was over a quota is read again on another day.
SELECT
  c.facts ->> 'base_name' AS name, c.facts ->> 'base_digest' AS digest, c.platform,
  (array_agg(DISTINCT coalesce(a.brought_by, used.host_id, 0)))[1:10] AS brought_by
FROM fleet.comparisons AS c
JOIN fleet.answers AS a ON a.ref_id = c.ref_id
LEFT JOIN LATERAL (
  SELECT hi.host_id FROM fleet.host_images AS hi WHERE hi.comparison_id = c.comparison_id LIMIT 1
) AS used ON a.brought_by IS NULL
LEFT JOIN fleet.bases AS b
  ON b.name = c.facts ->> 'base_name' AND b.digest = c.facts ->> 'base_digest' AND b.platform = c.platform
WHERE c.facts ? 'base_digest' AND c.unused_since IS NULL AND c.facts ? 'base_name'
  AND (b.base_id IS NULL OR b.unused_since IS NOT NULL OR (b.not_asked = 'quota' AND b.read_at < now() - interval '1 day'))
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
LIMIT $1::integer

-- name: lock_answers
-- Lock answers in id order, as everybody locks them.
SELECT FROM fleet.answers WHERE ref_id = any($1::bigint[]) ORDER BY ref_id FOR NO KEY UPDATE

-- name: save_bases
-- Follow bases. Sorted by the caller.
INSERT INTO fleet.bases AS b (name, digest, platform, ref_id, not_asked)
SELECT s.name, s.digest, s.platform, s.ref_id, s.not_asked
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[]) AS s (name, digest, platform, ref_id, not_asked)
ON CONFLICT (name, digest, platform) DO UPDATE SET
  ref_id = excluded.ref_id, not_asked = excluded.not_asked, read_at = now(), unused_since = NULL

-- name: wake_references
-- Make references due that rest and may be asked, and note for whose image: the caller holds them.
UPDATE fleet.answers AS a SET
  next_check_at = coalesce(a.next_check_at, now()),
  brought_by = coalesce(a.brought_by, nullif(s.brought_by, 0))
FROM unnest($1::bigint[], $2::bigint[]) AS s (ref_id, brought_by)
JOIN fleet.image_refs AS r ON r.ref_id = s.ref_id
WHERE a.ref_id = s.ref_id AND r.policy = 'ask' AND (a.next_check_at IS NULL OR (a.brought_by IS NULL AND s.brought_by > 0))

-- name: unjudged
-- Bases after $1 whose tag points to another digest than they were judged by, or of which it is not known
-- yet whether it is another image; with what is inside both digests, as far as that is known.
SELECT
  b.base_id, b.digest, b.platform, b.state, b.judged_digest, a.remote_digest,
  t.children AS tag_children, t.failure IS NOT NULL AS tag_undescribable,
  o.children AS base_children, coalesce(o.failure NOT IN ('limited', 'unreachable'), false) AS base_undescribable
FROM fleet.bases AS b
JOIN fleet.answers AS a ON a.ref_id = b.ref_id
LEFT JOIN fleet.descriptions AS t ON t.digest = a.remote_digest
LEFT JOIN fleet.descriptions AS o ON o.digest = b.digest
WHERE b.base_id > $1::bigint AND b.unused_since IS NULL AND a.remote_digest IS NOT NULL AND NOT a.gone
  AND (b.judged_digest IS DISTINCT FROM a.remote_digest OR b.state IN ('unresolved', 'failed'))
ORDER BY b.base_id
LIMIT $2::integer

-- name: judge_bases
-- Note what bases turned out to be, and by which digest of their tags. Sorted by the caller: one replica
-- does this at a time.
UPDATE fleet.bases AS b SET state = s.state, judged_digest = s.judged_digest
FROM unnest($1::bigint[], $2::text[], $3::text[]) AS s (base_id, state, judged_digest)
WHERE b.base_id = s.base_id
