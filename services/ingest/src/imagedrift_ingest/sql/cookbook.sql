-- Questions that operators ask, each with its query. Rendered into docs/sql.md; run by a test.
-- Parameters are written as literals of an example, so that every query can be pasted as it is.

-- name: outdated_on_a_host
-- What is outdated on this host, and since when?
SELECT reference, containers, running, reason, outdated_for, recreate_only
FROM ops.outdated
WHERE site = 'fra1' AND host = 'web-1'
ORDER BY outdated_for DESC;

-- name: how_is_the_fleet
-- How is the fleet, in one row?
SELECT * FROM ops.fleet_summary;

-- name: top_images
-- Which images would help most hosts if they were updated?
SELECT reference, outdated_hosts, hosts, running_hosts, variants, remote_since
FROM ops.images
WHERE outdated_hosts > 0
ORDER BY outdated_hosts DESC, reference
LIMIT 20;

-- name: hosts_of_an_image
-- Which hosts are outdated on this image, those that run it first?
SELECT site, host, running > 0 AS runs, outdated_for, local_digests, remote_digest
FROM ops.outdated
WHERE reference = 'docker.io/library/nginx:1.27'
ORDER BY running DESC, outdated_for DESC
LIMIT 100;

-- name: who_runs_a_digest
-- A digest turns out to be bad. Who has it, and who runs it?
-- PostgreSQL cannot know how few images have it. With a limit it looks up their hosts, without one
-- it may read all hosts.
SELECT site, host, reference, running, containers
FROM ops.comparisons
WHERE local_digests @> ARRAY['sha256:8a8ec8914fb819489b66e4904f19672a5792e26145c074917e745166af873d28']
LIMIT 10000;

-- name: recreate_only
-- Where is the new image there already, so that recreating the containers is enough?
SELECT site, host, reference, containers
FROM ops.outdated
WHERE recreate_only
ORDER BY site, host, reference;

-- name: running_and_outdated
-- What runs, and is outdated for more than two weeks?
SELECT site, host, reference, containers, outdated_for
FROM ops.outdated
WHERE running > 0 AND outdated_for > interval '14 days'
ORDER BY outdated_for DESC;

-- name: longest_outdated
-- Who has been outdated longest?
SELECT site, host, reference, outdated_for
FROM ops.longest_outdated
LIMIT 20;

-- name: worst_hosts
-- Which hosts have most outdated images?
SELECT site, host, outdated, images
FROM ops.worst_hosts
LIMIT 20;

-- name: silent_hosts
-- Which hosts do not speak any more?
SELECT site, host, hostname, silent_for, last_seen_at
FROM ops.hosts
WHERE silent
ORDER BY silent_for DESC;

-- name: degraded_hosts
-- Which hosts speak, but cannot see their images?
SELECT site, host, degraded, changed_at
FROM ops.hosts
WHERE degraded IS NOT NULL;

-- name: by_label
-- How outdated is each environment?
SELECT labels ->> 'env' AS env, count(*) AS hosts, sum(outdated) AS outdated, sum(images) AS images,
  round(100.0 * sum(outdated) / nullif(sum(images), 0), 1) AS percent
FROM ops.host_counts
GROUP BY 1
ORDER BY percent DESC NULLS LAST;

-- name: by_place
-- And each data centre, rack or hypervisor?
SELECT place, hosts, outdated, silent
FROM ops.places
WHERE level <= 2
ORDER BY place;

-- name: production_and_one_repository
-- Which production hosts are outdated on anything of one repository?
SELECT site, host, reference, tag, outdated_for
FROM ops.outdated
WHERE labels @> '{"env": "prod"}' AND repository = 'library/nginx';

-- name: what_cannot_be_checked
-- What can the registries not tell us, why, and how many hosts wait for it?
SELECT reference, outcome, error, failures, failing_since, next_check_at, hosts
FROM ops.lookup_errors
ORDER BY hosts DESC, reference;

-- name: how_sure
-- Which verdicts rest on an old answer, and how old is it?
SELECT reference, verdict, stale, error, now() - checked_at AS age, count(*) AS hosts
FROM ops.comparisons
WHERE stale OR checked_at < now() - interval '1 day'
GROUP BY reference, verdict, stale, error, age
ORDER BY age DESC;

-- name: rate_limits
-- Do the registries limit us, and until when?
SELECT registry, credential, rate_remaining, rate_limit, rate_window, blocked_until, last_error
FROM ops.registries
ORDER BY registry, credential;

-- name: tags_that_are_gone
-- Which tags do hosts use that no longer exist?
SELECT reference, count(DISTINCT (site, host)) AS hosts, remote_digest AS last_digest
FROM ops.comparisons
WHERE verdict = 'missing'
GROUP BY reference, remote_digest;

-- name: versions_in_use
-- Which versions of one image are in use?
SELECT local_digests, image_id, platform, verdict, count(*) AS hosts
FROM ops.comparisons
WHERE reference = 'docker.io/library/nginx:1.27'
GROUP BY local_digests, image_id, platform, verdict
ORDER BY hosts DESC;

-- name: what_moved_upstream
-- Which tags moved in the last day, and from what to what?
SELECT reference, lag(digest) OVER (PARTITION BY reference ORDER BY valid_from) AS was, digest AS became, valid_from
FROM ops.tag_history
WHERE coalesce(valid_to, 'infinity') > now() - interval '1 day'
ORDER BY valid_from DESC;

-- name: when_did_it_come
-- When did this host get the images that it has?
SELECT reference, local_digests, on_host_since
FROM ops.comparisons
WHERE site = 'fra1' AND host = 'web-1'
ORDER BY on_host_since DESC;

-- name: when_was_it_updated
-- What has changed on this host since its first inventory?
SELECT reference, old_digests, new_digests, occurred_at
FROM ops.host_history
WHERE site = 'fra1' AND host = 'web-1'
ORDER BY occurred_at DESC;

-- name: unpinned_and_local
-- How many images are run by tag, by digest, or were built on the spot?
SELECT verdict IN ('pinned') AS by_digest, verdict = 'local' AS built_here, count(*) AS images
FROM ops.comparisons
GROUP BY 1, 2
ORDER BY 3 DESC;

-- name: is_it_getting_better
-- Is it getting better?
SELECT DISTINCT ON (date_trunc('hour', taken_at)) date_trunc('hour', taken_at) AS hour, outdated, images, silent_hosts AS silent
FROM ops.trend
WHERE taken_at > now() - interval '7 days'
ORDER BY 1, taken_at DESC;

-- name: why
-- Why does this host have this verdict? Everything that it rests on.
SELECT verdict, reason, verdict_since, local_digests, remote_digest, platform, tagged, stale, error, checked_at, next_check_at
FROM ops.comparisons
WHERE site = 'fra1' AND host = 'web-1' AND reference = 'docker.io/library/nginx:1.27';

-- name: refused_messages
-- Which messages were refused, and why?
SELECT received_at, times, service, subject, reason, error, left(payload, 200) AS payload
FROM ops.dead_letters
ORDER BY received_at DESC
LIMIT 50;
