-- Answers, descriptions, and the comparisons that they change.

-- name: share_digests
-- Keep descriptions of digests out while an answer with them is stored, and no other answers.
SELECT FROM fleet.digest_locks WHERE slot = any($1::bigint[]) ORDER BY slot FOR SHARE

-- name: lock_digests
-- Keep everybody else out while digests are described.
SELECT FROM fleet.digest_locks WHERE slot = any($1::bigint[]) ORDER BY slot FOR NO KEY UPDATE

-- name: open_slots
-- Make the rows that are locked in place of digests. Sorted by the caller.
INSERT INTO fleet.digest_locks (slot) SELECT unnest($1::bigint[]) ON CONFLICT (slot) DO NOTHING

-- name: save
-- Write what is now known of references. A candidate that no host has is asked again after $14 seconds
-- at the earliest: it is as fresh as the list that names it.
UPDATE fleet.answers AS a SET
  epoch = s.epoch, seq = s.seq, remote_digest = s.remote_digest, remote_since = s.remote_since,
  gone = s.gone, checked_at = s.checked_at, attempted_at = s.attempted_at, failure = s.failure,
  error = s.error, failures = s.failures, failing_since = s.failing_since,
  next_check_at = CASE
    WHEN a.next_check_at IS NULL THEN NULL
    WHEN a.hosts = 0 AND s.failure IS NULL AND EXISTS (SELECT FROM fleet.candidates AS n WHERE n.ref_id = a.ref_id)
      THEN greatest(s.next_check_at, s.attempted_at + make_interval(secs => $14::float8))
    ELSE s.next_check_at
  END
FROM unnest(
  $1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::timestamptz[], $6::boolean[],
  $7::timestamptz[], $8::timestamptz[], $9::text[], $10::text[], $11::integer[],
  $12::timestamptz[], $13::timestamptz[]
) AS s (
  ref_id, epoch, seq, remote_digest, remote_since, gone, checked_at, attempted_at, failure, error,
  failures, failing_since, next_check_at
)
WHERE a.ref_id = s.ref_id

-- name: end_periods
-- Close the open period of tags that moved.
UPDATE fleet.remote_history AS t SET valid_to = greatest(s.at, t.valid_from)
FROM unnest($1::bigint[], $2::timestamptz[]) AS s (ref_id, at)
WHERE t.ref_id = s.ref_id AND t.valid_to IS NULL

-- name: start_periods
-- Open a period for tags that point somewhere new.
INSERT INTO fleet.remote_history (ref_id, valid_from, digest)
SELECT s.ref_id, s.at, s.digest
FROM unnest($1::bigint[], $2::timestamptz[], $3::text[]) AS s (ref_id, at, digest)
ON CONFLICT (ref_id, valid_from) DO UPDATE SET digest = excluded.digest, valid_to = NULL

-- name: comparisons_of
-- The comparisons of references whose answer is locked.
SELECT comparison_id, ref_id, image_id, repo_digests, platform, manifest_digest, digest_lost, verdict, reason
FROM fleet.comparisons
WHERE ref_id = any($1::bigint[])
ORDER BY comparison_id

-- name: judge
-- Write changed verdicts, and put the change into the outbox of the same transaction.
WITH said AS MATERIALIZED (
  SELECT s.comparison_id, s.verdict, s.reason, s.from_verdict, s.from_reason, s.remote_digest, coalesce(s.at, now()) AS at
  FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[])
    AS s (comparison_id, verdict, reason, from_verdict, from_reason, remote_digest, at)
), written AS (
  UPDATE fleet.comparisons AS c SET
    verdict = s.verdict, reason = s.reason,
    verdict_since = CASE WHEN s.verdict <> s.from_verdict THEN s.at ELSE c.verdict_since END
  FROM said AS s
  WHERE c.comparison_id = s.comparison_id
)
INSERT INTO fleet.outbox (comparison_id, from_verdict, from_reason, to_verdict, to_reason, remote_digest, changed_at)
SELECT s.comparison_id, s.from_verdict, s.from_reason, s.verdict, s.reason, s.remote_digest, s.at
FROM said AS s
WHERE s.verdict <> s.from_verdict
ORDER BY s.comparison_id

-- name: forget
-- Somebody dropped the cached answer: the tag may have moved, so it is due at once.
WITH locked AS MATERIALIZED (
  SELECT a.ref_id
  FROM unnest($1::text[]) AS s (reference)
  JOIN fleet.image_refs AS r ON r.reference = s.reference
  JOIN fleet.answers AS a ON a.ref_id = r.ref_id
  ORDER BY a.ref_id
  FOR NO KEY UPDATE OF a
)
UPDATE fleet.answers AS a SET next_check_at = now()
FROM locked AS l
WHERE a.ref_id = l.ref_id AND a.next_check_at > now()

-- name: registries
-- Keep the newest of what each registry allows. The rows that come back are those in doubt
-- (`core.order`; $14: the bucket has none newer).
WITH said AS MATERIALIZED (
  SELECT *
  FROM unnest(
    $2::text[], $3::text[], $4::bigint[], $5::integer[], $6::integer[], $7::integer[],
    $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::integer[], $12::text[], $13::timestamptz[]
  ) AS s (
    registry, credential, seq, rate_limit, rate_remaining, rate_window_s, rate_reset_at,
    blocked_until, get_blocked_until, last_status, last_error, observed_at
  )
), written AS (
  INSERT INTO fleet.registry_states AS g (
    registry, credential, epoch, seq, rate_limit, rate_remaining, rate_window_s, rate_reset_at,
    blocked_until, get_blocked_until, last_status, last_error, observed_at
  )
  SELECT
    s.registry, s.credential, $1::bigint, s.seq, s.rate_limit, s.rate_remaining, s.rate_window_s,
    s.rate_reset_at, s.blocked_until, s.get_blocked_until, s.last_status, nullif(s.last_error, ''), s.observed_at
  FROM said AS s
  ORDER BY s.registry, s.credential
  ON CONFLICT (registry, credential) DO UPDATE SET
    epoch = excluded.epoch, seq = excluded.seq, rate_limit = excluded.rate_limit,
    rate_remaining = excluded.rate_remaining, rate_window_s = excluded.rate_window_s,
    rate_reset_at = excluded.rate_reset_at, blocked_until = excluded.blocked_until,
    get_blocked_until = excluded.get_blocked_until, last_status = excluded.last_status,
    last_error = excluded.last_error, observed_at = excluded.observed_at
  WHERE fleet.order_of(excluded.epoch, excluded.seq, excluded.observed_at, g.epoch, g.seq, g.observed_at) = ANY (CASE WHEN $14::boolean THEN '{newer,doubtful}' ELSE '{newer}' END::text[])
)
SELECT s.seq
FROM said AS s
JOIN fleet.registry_states AS g ON g.registry = s.registry AND g.credential = s.credential
WHERE NOT $14::boolean
  AND fleet.order_of($1::bigint, s.seq, s.observed_at, g.epoch, g.seq, g.observed_at) = 'doubtful'

-- name: store_dead_letters
-- Keep refused messages, a row an hour for each service, subject and reason. What was counted
-- already, by an earlier delivery, is not counted again.
INSERT INTO fleet.dead_letters AS d (epoch, seq, service, subject, reason, hour, times, first_received_at, received_at, stream, stream_seq, error, payload)
SELECT $1::bigint, s.seq, s.service, s.subject, s.reason, s.hour, s.times, s.first_received_at, s.received_at, s.stream, s.stream_seq, s.error, s.payload
FROM unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::bigint[], $7::bigint[], $8::timestamptz[], $9::timestamptz[], $10::text[], $11::bigint[], $12::text[], $13::bytea[])
  AS s (service, subject, reason, hour, seq, times, first_received_at, received_at, stream, stream_seq, error, payload)
ORDER BY s.service, s.subject, s.reason, s.hour
ON CONFLICT (service, reason, hour, hashtextextended(subject, 0)) DO UPDATE SET
  epoch = excluded.epoch, seq = excluded.seq, times = d.times + excluded.times,
  received_at = greatest(d.received_at, excluded.received_at)
WHERE (excluded.epoch, excluded.seq) > (d.epoch, d.seq)
