-- Changed verdicts on their way to NATS.

-- name: waiting
-- What is to be published, oldest first, with how many hosts it concerns. The hosts are those of
-- fleet.usage, which is not read itself: its changes are found once, and not once per image.
WITH leaving AS MATERIALIZED (
  SELECT * FROM fleet.outbox ORDER BY change_id LIMIT $1::integer
), affected AS MATERIALIZED (
  SELECT ARRAY(SELECT DISTINCT comparison_id FROM leaving) AS comparisons
), usage AS MATERIALIZED (
  SELECT comparison_id, sum(hosts) AS hosts, sum(running) AS running
  FROM (
    SELECT comparison_id, hosts, running
    FROM fleet.usage_totals
    WHERE comparison_id = any((SELECT comparisons FROM affected)::bigint[])
    UNION ALL
    SELECT comparison_id, hosts, running
    FROM fleet.usage_changes
    WHERE comparison_id = any((SELECT comparisons FROM affected)::bigint[])
  ) AS u
  GROUP BY comparison_id
)
SELECT
  o.change_id, r.reference, r.registry, r.repository, r.tag, c.platform, c.image_id,
  o.from_verdict, o.from_reason, o.to_verdict, o.to_reason, o.remote_digest, o.changed_at,
  u.hosts, u.running AS running_hosts
FROM leaving AS o
JOIN usage AS u ON u.comparison_id = o.comparison_id
JOIN fleet.comparisons AS c ON c.comparison_id = o.comparison_id
JOIN fleet.image_refs AS r ON r.ref_id = c.ref_id
ORDER BY o.change_id

-- name: sent
-- Remove what NATS has stored.
DELETE FROM fleet.outbox WHERE change_id = any($1::bigint[])
