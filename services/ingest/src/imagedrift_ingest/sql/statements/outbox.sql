-- Changed verdicts on their way to NATS.

-- name: alone
-- Let one replica publish at a time, so that changes stay in order. Never waits.
SELECT pg_try_advisory_xact_lock(1768780137)

-- name: waiting
-- What is to be published, oldest first, with how many hosts it concerns.
SELECT
  o.change_id, r.reference, r.registry, r.repository, r.tag, c.platform, c.image_id,
  o.from_verdict, o.from_reason, o.to_verdict, o.to_reason, o.remote_digest, o.changed_at,
  u.hosts, u.running_hosts
FROM (SELECT * FROM fleet.outbox ORDER BY change_id LIMIT $1::integer) AS o
JOIN fleet.comparisons AS c ON c.comparison_id = o.comparison_id
JOIN fleet.image_refs AS r ON r.ref_id = c.ref_id
CROSS JOIN LATERAL (
  SELECT count(*) AS hosts, count(*) FILTER (WHERE hi.running > 0) AS running_hosts
  FROM fleet.host_images AS hi
  WHERE hi.comparison_id = o.comparison_id
) AS u
ORDER BY o.change_id

-- name: sent
-- Remove what NATS has stored.
DELETE FROM fleet.outbox WHERE change_id = any($1::bigint[])
