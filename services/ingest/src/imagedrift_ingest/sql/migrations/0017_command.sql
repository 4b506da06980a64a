-- What the command shows: letters by name, moments of what is never asked, how the system goes
-- depends: 0016_letters
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '10min';

CREATE OR REPLACE VIEW ops.dead_letters AS
SELECT
  received_at, subject, reason, error, encode(payload, 'escape') AS payload,
  service, stream, stream_seq, times, first_received_at,
  left(md5(concat_ws(E'\n', service, reason, extract(epoch FROM hour)::bigint, subject)), 12) AS letter
FROM fleet.dead_letters;
COMMENT ON COLUMN ops.dead_letters.letter IS 'Name of the row, by which `imagedrift dead-letters` shows or drops it.';

CREATE OR REPLACE VIEW ops.images AS
SELECT
  r.reference, r.registry, r.repository, r.tag,
  n.hosts + coalesce(s.hosts, 0) AS hosts,
  n.running_hosts + coalesce(s.running_hosts, 0) AS running_hosts,
  n.outdated_hosts + coalesce(s.outdated_hosts, 0) AS outdated_hosts,
  n.variants,
  a.remote_digest, a.remote_since, coalesce(a.checked_at, a.attempted_at) AS checked_at,
  CASE WHEN n.is_asked AND r.policy = 'ask' THEN a.next_check_at END AS next_check_at, a.error
FROM (
  SELECT
    c.ref_id,
    sum(u.hosts - u.shared) AS hosts,
    sum(u.running - u.shared_running) AS running_hosts,
    coalesce(sum(u.hosts - u.shared) FILTER (WHERE c.verdict = 'outdated'), 0) AS outdated_hosts,
    count(*) AS variants,
    bool_or(c.repo_digests <> '{}') AS is_asked
  FROM fleet.usage AS u
  JOIN fleet.comparisons AS c ON c.comparison_id = u.comparison_id
  WHERE u.hosts > 0
  GROUP BY c.ref_id
) AS n
LEFT JOIN (
  SELECT
    p.ref_id,
    count(*) AS hosts,
    count(*) FILTER (WHERE p.running) AS running_hosts,
    count(*) FILTER (WHERE p.outdated) AS outdated_hosts
  FROM (
    SELECT c.ref_id, hi.host_id, bool_or(hi.running > 0) AS running, bool_or(c.verdict = 'outdated') AS outdated
    FROM fleet.host_images AS hi
    JOIN fleet.comparisons AS c ON c.comparison_id = hi.comparison_id
    WHERE hi.shared
    GROUP BY c.ref_id, hi.host_id
  ) AS p
  GROUP BY p.ref_id
) AS s ON s.ref_id = n.ref_id
JOIN fleet.image_refs AS r ON r.ref_id = n.ref_id
LEFT JOIN fleet.answers AS a ON a.ref_id = n.ref_id;

CREATE VIEW ops.activity AS
SELECT
  h.hosts, h.silent, h.heard_last_minute, h.changed_last_minute, h.behind,
  a.asked_last_minute, a.answered_last_minute, a.failing, a.due, a.overdue_for,
  now() AS as_of
FROM (
  SELECT
    count(*) AS hosts,
    count(*) FILTER (WHERE silent_at < now()) AS silent,
    count(*) FILTER (WHERE last_seen_at > now() - interval '1 minute') AS heard_last_minute,
    count(*) FILTER (WHERE changed_at > now() - interval '1 minute') AS changed_last_minute,
    count(*) FILTER (WHERE behind) AS behind
  FROM fleet.host_state
  WHERE counts
) AS h
CROSS JOIN (
  SELECT
    count(*) FILTER (WHERE asked_at > now() - interval '1 minute') AS asked_last_minute,
    count(*) FILTER (WHERE attempted_at > now() - interval '1 minute') AS answered_last_minute,
    count(*) FILTER (WHERE failing_since IS NOT NULL) AS failing,
    count(*) FILTER (WHERE next_check_at <= now()) AS due,
    greatest(now() - min(next_check_at), interval '0') AS overdue_for
  FROM fleet.answers
) AS a;
COMMENT ON VIEW ops.activity IS 'What the system did in the last minute, and what waits, in one row.';
COMMENT ON COLUMN ops.activity.hosts IS 'How many hosts.';
COMMENT ON COLUMN ops.activity.silent IS 'Hosts that have been silent for three of their intervals.';
COMMENT ON COLUMN ops.activity.heard_last_minute IS 'Hosts that were heard in the last minute.';
COMMENT ON COLUMN ops.activity.changed_last_minute IS 'Hosts whose images changed in the last minute.';
COMMENT ON COLUMN ops.activity.behind IS 'Hosts whose newest inventory is not stored.';
COMMENT ON COLUMN ops.activity.asked_last_minute IS 'References that were asked in the last minute.';
COMMENT ON COLUMN ops.activity.answered_last_minute IS 'References that were answered in the last minute, failures included.';
COMMENT ON COLUMN ops.activity.failing IS 'References whose last check found nothing.';
COMMENT ON COLUMN ops.activity.due IS 'References that are due and were not asked yet.';
COMMENT ON COLUMN ops.activity.overdue_for IS 'How long the oldest of them has been due.';
COMMENT ON COLUMN ops.activity.as_of IS 'When this was counted.';
-- migrate: rollback
-- Forward only.
