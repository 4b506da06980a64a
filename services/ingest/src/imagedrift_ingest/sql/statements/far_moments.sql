-- Moments that lie further ahead than they can: they were written while a clock was ahead, and would
-- otherwise hold until that time has come. $1: our time. A moment is too far where it is by ours and by
-- the server's, so that a clock that is behind moves nothing; and it becomes one that is over by both.
-- $2: how far ahead it may lie. $3: rows at once, which are locked in id order, as everybody locks them.
-- What is NULL stays so: `least` would leave NULL out.

-- name: checks
-- When references are asked about next.
WITH far AS MATERIALIZED (
  SELECT ref_id FROM fleet.answers
  WHERE next_check_at > greatest($1::timestamptz, now()) + $2::interval
  ORDER BY ref_id
  LIMIT $3::integer
  FOR NO KEY UPDATE
)
UPDATE fleet.answers AS a SET next_check_at = least($1::timestamptz, now()) FROM far WHERE a.ref_id = far.ref_id

-- name: lists
-- When tags are listed next.
WITH far AS MATERIALIZED (
  SELECT list_id FROM fleet.tag_lists
  WHERE next_list_at > greatest($1::timestamptz, now()) + $2::interval
  ORDER BY list_id
  LIMIT $3::integer
  FOR NO KEY UPDATE
)
UPDATE fleet.tag_lists AS l SET next_list_at = least($1::timestamptz, now()) FROM far WHERE l.list_id = far.list_id

-- name: descriptions
-- When digests were asked about, and are next.
WITH far AS MATERIALIZED (
  SELECT digest FROM fleet.descriptions
  WHERE greatest(asked_at, next_ask_at) > greatest($1::timestamptz, now()) + $2::interval
  ORDER BY digest
  LIMIT $3::integer
  FOR NO KEY UPDATE
)
UPDATE fleet.descriptions AS d SET
  asked_at = CASE WHEN d.asked_at IS NOT NULL THEN least(d.asked_at, $1::timestamptz, now()) END,
  next_ask_at = CASE WHEN d.next_ask_at IS NOT NULL THEN least(d.next_ask_at, $1::timestamptz, now()) END
FROM far
WHERE d.digest = far.digest

-- name: blocks
-- Until when registries block us.
WITH far AS MATERIALIZED (
  SELECT registry, credential FROM fleet.registry_states
  WHERE greatest(blocked_until, get_blocked_until) > greatest($1::timestamptz, now()) + $2::interval
  ORDER BY registry, credential
  LIMIT $3::integer
  FOR NO KEY UPDATE
)
UPDATE fleet.registry_states AS g SET
  blocked_until = CASE WHEN g.blocked_until IS NOT NULL THEN least(g.blocked_until, $1::timestamptz, now()) END,
  get_blocked_until = CASE WHEN g.get_blocked_until IS NOT NULL THEN least(g.get_blocked_until, $1::timestamptz, now()) END
FROM far
WHERE (g.registry, g.credential) = (far.registry, far.credential)

-- name: hosts
-- When hosts were last heard of, and what was seen of them: one that ends now would never be silent.
WITH far AS MATERIALIZED (
  SELECT host_id FROM fleet.host_state
  WHERE greatest(last_seen_at, changed_at, reconciled_at, boot_returned_at) > greatest($1::timestamptz, now()) + $2::interval
  ORDER BY host_id
  LIMIT $3::integer
  FOR NO KEY UPDATE
)
UPDATE fleet.host_state AS s SET
  last_seen_at = least(s.last_seen_at, $1::timestamptz, now()),
  silent_at = least(s.last_seen_at, $1::timestamptz, now()) + make_interval(secs => 3.0 * s.interval_s),
  changed_at = CASE WHEN s.changed_at IS NOT NULL THEN least(s.changed_at, $1::timestamptz, now()) END,
  reconciled_at = CASE WHEN s.reconciled_at IS NOT NULL THEN least(s.reconciled_at, $1::timestamptz, now()) END,
  boot_returned_at = CASE WHEN s.boot_returned_at IS NOT NULL THEN least(s.boot_returned_at, $1::timestamptz, now()) END
FROM far
WHERE s.host_id = far.host_id

-- name: outdated
-- Since when images are outdated: what is due is reckoned from there.
WITH far AS MATERIALIZED (
  SELECT comparison_id FROM fleet.comparisons
  WHERE verdict = 'outdated' AND verdict_since > greatest($1::timestamptz, now()) + $2::interval
  ORDER BY comparison_id
  LIMIT $3::integer
  FOR NO KEY UPDATE
)
UPDATE fleet.comparisons AS c SET verdict_since = least($1::timestamptz, now()) FROM far WHERE c.comparison_id = far.comparison_id

-- name: newer
-- Since when there are newer versions.
WITH far AS MATERIALIZED (
  SELECT ref_id, step FROM fleet.newer
  WHERE since > greatest($1::timestamptz, now()) + $2::interval
  ORDER BY ref_id, step
  LIMIT $3::integer
  FOR NO KEY UPDATE
)
UPDATE fleet.newer AS n SET since = least($1::timestamptz, now()) FROM far WHERE (n.ref_id, n.step) = (far.ref_id, far.step)

-- name: bases
-- When base images were read: those that found no room are tried again a day later.
WITH far AS MATERIALIZED (
  SELECT base_id FROM fleet.bases
  WHERE read_at > greatest($1::timestamptz, now()) + $2::interval
  ORDER BY base_id
  LIMIT $3::integer
  FOR NO KEY UPDATE
)
UPDATE fleet.bases AS b SET read_at = least($1::timestamptz, now()) FROM far WHERE b.base_id = far.base_id
