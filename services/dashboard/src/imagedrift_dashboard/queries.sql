-- The queries of the pages, over the views of ops. A list has {where}, which its filters fill in;
-- its order is that of its keys.

-- name: fleet
SELECT counted_at, hosts, silent_hosts, degraded_hosts, due, overdue, images, outdated, current,
       pinned, local, missing, unknown, stale
FROM ops.fleet_counts;

-- name: trend
-- The last row of every two hours, the newest of all at the end.
SELECT DISTINCT ON (date_bin('2 hours', taken_at, 'epoch'))
       taken_at, outdated, unknown, stale
FROM ops.trend
WHERE taken_at > now() - interval '30 days'
ORDER BY date_bin('2 hours', taken_at, 'epoch'), taken_at DESC;

-- name: moved
-- Tags of one host alone come last: its registry may let them move all the time.
SELECT t.valid_from, t.reference, t.digest, i.outdated_hosts, i.running_hosts, i.hosts
FROM ops.tag_history AS t
JOIN ops.images AS i ON i.reference = t.reference
WHERE t.valid_from > now() - interval '1 day'
  AND EXISTS (SELECT FROM ops.tag_history AS before
              WHERE before.reference = t.reference AND before.valid_from < t.valid_from)
ORDER BY (i.hosts > 1) DESC, t.valid_from DESC
LIMIT 10;

-- name: troubled_hosts
SELECT site, host, hostname, state, silent_for, degraded, counted_at
FROM ops.troubled_hosts
ORDER BY (state = 'silent') DESC, silent_for DESC
LIMIT 10;

-- name: troubled_registries
SELECT registry, credential, rate_limit, rate_remaining, rate_reset_at, blocked_until, last_error
FROM ops.registries
WHERE blocked_until > now() OR rate_remaining = 0
ORDER BY hosts DESC, registry, credential
LIMIT 10;

-- name: hosts
SELECT site, host, hostname, state, images, outdated, unknown, last_seen_at, place, labels, degraded
FROM ops.hosts
{where};

-- name: host
SELECT site, host, hostname, state, images, outdated, unknown, last_seen_at, silent_for, degraded, place, labels, os, arch,
       engine, engine_version, agent_version, changed_at, first_seen_at, skipped
FROM ops.hosts
WHERE site = :site::text AND host = :host::text;

-- name: host_images
SELECT reference, image_id, verdict, reason, verdict_since, stale, running, containers, platform,
       local_digests, remote_digest, local_version, remote_version, checked_at, error, site, host
FROM ops.comparisons
{where};

-- name: host_history
SELECT occurred_at, reference,
       CASE WHEN old_image_id IS NULL THEN 'came' WHEN new_image_id IS NULL THEN 'went'
            ELSE 'replaced' END AS change,
       old_digests, new_digests
FROM ops.host_history
WHERE site = :site::text AND host = :host::text
ORDER BY occurred_at DESC, reference
LIMIT 20;

-- name: why
SELECT site, host, hostname, place, labels, reference, registry, verdict, reason, verdict_since,
       stale, error, checked_at, next_check_at, local_digests, remote_digest, image_id,
       manifest_digest, platform, by_digest, tagged, running, containers, on_host_since,
       created_at, local_version, remote_version, remote_built_at, source, version_inherited, size,
       base_name, base_outdated, base_checked_at, base_error
FROM ops.comparisons
WHERE site = :site::text AND host = :host::text AND reference = :reference::text
ORDER BY (verdict = 'outdated') DESC, running DESC, image_id
LIMIT 20;

-- name: registry_budgets
SELECT registry, credential, rate_limit, rate_remaining, rate_window, rate_reset_at,
       blocked_until, last_status, last_error, observed_at
FROM ops.registries
WHERE registry = :registry::text
ORDER BY credential
LIMIT 20;

-- name: tag_history
SELECT valid_from, valid_to, digest
FROM ops.tag_history
WHERE reference = :reference::text
ORDER BY valid_from DESC
LIMIT 50;

-- name: images
SELECT reference, outdated_hosts, running_hosts, hosts, variants, registry, remote_digest,
       remote_since, remote_version, checked_at, next_check_at, error
FROM ops.images
{where};

-- name: image
SELECT reference, outdated_hosts, running_hosts, hosts, variants, registry, remote_digest,
       remote_since, remote_version, remote_built_at, source, checked_at, next_check_at, error
FROM ops.images
WHERE reference = :reference::text;

-- name: image_hosts
SELECT site, host, hostname, verdict, reason, verdict_since, stale, running, containers, platform,
       local_digests, local_version, image_id
FROM ops.comparisons
{where};

-- name: image_decisions
SELECT decision_id, decided_at, by, kind, pattern, selector, value, until, active, matches, reason,
       undone_at
FROM ops.decisions
WHERE active AND (pattern = :reference::text
  OR (right(pattern, 1) = '*' AND starts_with(:reference::text, rtrim(pattern, '*'))))
ORDER BY decided_at DESC, decision_id DESC
LIMIT 20;

-- name: versions
SELECT reference, version, newest_patch, newest_minor, newest_major, patch_state, minor_state,
       major_state, behind, running_hosts, hosts, truncated, listed_at, error, registry
FROM ops.versions
{where};

-- name: places
SELECT place, level, hosts, outdated, silent, outdated_images, counted_at
FROM ops.places
{where};

-- name: registries
SELECT registry, credential, rate_limit, rate_remaining, rate_window, rate_reset_at,
       blocked_until, last_status, last_error, observed_at
FROM ops.registries
ORDER BY (hosts > 1) DESC, (blocked_until > now()) DESC NULLS LAST, registry, credential
LIMIT 200;

-- name: lookup_errors
SELECT reference, outcome, error, failures, failing_since, next_check_at, hosts
FROM ops.lookup_errors
{where};

-- name: due
SELECT available_since, site, host, hostname, reference, image_id, platform, running, due_at,
       overdue_for, recreate_only, local_digests, remote_digest, cause, place, newest,
       coalesce(step, '') AS step
FROM ops.due
{where};

-- name: excused
SELECT available_since, site, host, hostname, reference, image_id, platform, running, due_at,
       excused_by, kind, until, decision_id, place, newest, coalesce(step, '') AS step
FROM ops.excused
{where};

-- name: decisions
SELECT decision_id, decided_at, by, kind, pattern, selector, value, until, active, matches, reason,
       undone_at
FROM ops.decisions
{where};

-- name: dead_letters
SELECT letter, received_at, times, service, reason, subject, error, stream, stream_seq,
       first_received_at
FROM ops.dead_letters
{where};
