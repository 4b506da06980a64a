-- name: status
-- How the fleet is: hosts, images and their verdicts, as of now.
SELECT * FROM ops.fleet_summary;

-- name: outdated
-- Which hosts run an image that its registry has replaced, longest first.
SELECT site, hostname, reference, running, reason, outdated_for, recreate_only, stale,
       local_digests, remote_digest, checked_at
FROM ops.outdated
WHERE (:site::text IS NULL OR site = :site)
  AND (:registry::text IS NULL OR registry = :registry)
  AND (:label::jsonb IS NULL OR labels @> :label)
  AND (NOT :running::boolean OR running > 0)
ORDER BY outdated_for DESC NULLS LAST, site, hostname, reference
LIMIT :limit::bigint;

-- name: image
-- One reference: what it points to, since when, and how many hosts have what of it.
SELECT * FROM ops.images WHERE reference = :reference::text;

-- name: image_hosts
-- The hosts that have a reference, outdated ones first.
SELECT site, hostname, verdict, reason, verdict_since, stale, running, platform,
       local_digests, remote_digest, checked_at
FROM ops.comparisons
WHERE reference = :reference::text
ORDER BY (verdict = 'outdated') DESC, running DESC, site, hostname
LIMIT :limit::bigint;

-- name: host
-- Everything one host has, outdated images first.
SELECT reference, verdict, reason, verdict_since, stale, running, containers, platform,
       local_digests, remote_digest, checked_at, next_check_at, error
FROM ops.comparisons
WHERE hostname = :host::text OR host = :host
ORDER BY (verdict = 'outdated') DESC, running DESC, reference;

-- name: registries
-- What each registry allows, what is left of it, and whether it is blocked now.
SELECT * FROM ops.registries ORDER BY registry, credential;

-- name: errors
-- References whose last check failed, those on most hosts first.
SELECT * FROM ops.lookup_errors ORDER BY hosts DESC, reference LIMIT :limit::bigint;

-- name: why
-- All that is known about one image on one host.
SELECT * FROM ops.comparisons
WHERE (hostname = :host::text OR host = :host) AND reference = :reference::text;
