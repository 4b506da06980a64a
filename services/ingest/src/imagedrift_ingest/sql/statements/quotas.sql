-- Quotas: how many new images, and how many candidates, each host has brought today.

-- name: open_quotas
-- Lock the rows of hosts in id order until the commit, and count from 0 where a day has begun.
INSERT INTO fleet.host_quotas AS q (host_id, day)
SELECT s.host_id, (now() AT TIME ZONE 'UTC')::date
FROM unnest($1::bigint[]) AS s (host_id)
ORDER BY s.host_id
ON CONFLICT (host_id) DO UPDATE SET
  day = excluded.day,
  made = CASE WHEN q.day = excluded.day THEN q.made ELSE 0 END,
  candidates = CASE WHEN q.day = excluded.day THEN q.candidates ELSE 0 END
RETURNING host_id, made, candidates

-- name: spend_images
-- Count new images for the hosts whose rows are locked. The transaction that makes them waits for no
-- disk: what stores the hosts comes later in the log, and is waited for.
WITH hurried AS MATERIALIZED (
  SELECT set_config('synchronous_commit', 'off', true) AS done
)
UPDATE fleet.host_quotas AS q SET made = q.made + s.made
FROM unnest($1::bigint[], $2::integer[]) AS s (host_id, made)
WHERE q.host_id = s.host_id AND (SELECT h.done FROM hurried AS h) = 'off'

-- name: spend_candidates
-- Count new candidates for the hosts whose rows are locked.
UPDATE fleet.host_quotas AS q SET candidates = q.candidates + s.candidates
FROM unnest($1::bigint[], $2::integer[]) AS s (host_id, candidates)
WHERE q.host_id = s.host_id
