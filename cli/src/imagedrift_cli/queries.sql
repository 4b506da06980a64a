-- Lists have {where}, which the filters fill in. Columns are added at the end of each.

-- name: status
SELECT * FROM ops.fleet_summary;

-- name: status_within
SELECT {hosts} AS hosts,
       {silent} AS silent_hosts,
       count(*) AS images,
       count(*) FILTER (WHERE verdict = 'current') AS current,
       count(*) FILTER (WHERE verdict = 'outdated') AS outdated,
       count(*) FILTER (WHERE verdict = 'pinned') AS pinned,
       count(*) FILTER (WHERE verdict = 'local') AS local,
       count(*) FILTER (WHERE verdict = 'missing') AS missing,
       count(*) FILTER (WHERE verdict = 'unknown') AS unknown,
       count(*) FILTER (WHERE stale) AS stale,
       now() AS as_of
FROM ops.comparisons
{where};

-- name: outdated
SELECT site, hostname, reference, running, reason, outdated_for, recreate_only, stale,
       local_digests, remote_digest, checked_at, host, place, labels, containers, platform,
       verdict, verdict_since, error
FROM ops.outdated
{where}
ORDER BY outdated_for DESC NULLS LAST, site, hostname, host, reference;

-- name: outdated_longest
WITH longest AS MATERIALIZED (SELECT site, host, reference FROM ops.longest_outdated)
SELECT site, hostname, reference, running, reason, outdated_for, recreate_only, stale,
       local_digests, remote_digest, checked_at, host, place, labels, containers, platform,
       verdict, verdict_since, error
FROM ops.outdated
WHERE (site, host, reference) IN (SELECT site, host, reference FROM longest)
ORDER BY outdated_for DESC NULLS LAST, site, hostname, host, reference;

-- name: unknown
SELECT site, hostname, reference, reason, running, error, verdict_since, checked_at,
       next_check_at, host, place, labels, containers, platform, verdict
FROM ops.comparisons
{where}
ORDER BY reason, running DESC, reference, site, hostname, host;

-- name: images
SELECT reference, outdated_hosts, running_hosts, hosts, variants, registry, repository, tag,
       remote_digest, remote_since, checked_at, next_check_at, error
FROM ops.images
{where}
ORDER BY outdated_hosts DESC, running_hosts DESC, hosts DESC, reference;

-- name: images_within
SELECT reference,
       count(DISTINCT (site, host)) FILTER (WHERE verdict = 'outdated') AS outdated_hosts,
       count(DISTINCT (site, host)) FILTER (WHERE running > 0) AS running_hosts,
       count(DISTINCT (site, host)) AS hosts,
       count(DISTINCT (image_id, platform, local_digests)) AS variants,
       registry, repository, tag, remote_digest,
       max(checked_at) AS checked_at, max(next_check_at) AS next_check_at, max(error) AS error
FROM ops.comparisons
{where}
GROUP BY reference, registry, repository, tag, remote_digest
ORDER BY outdated_hosts DESC, running_hosts DESC, hosts DESC, reference;

-- name: image
SELECT * FROM ops.images
{where};

-- name: image_hosts
SELECT site, hostname, verdict, reason, verdict_since, stale, running, platform,
       local_digests, remote_digest, checked_at, host, place, labels, containers, error
FROM ops.comparisons
{where}
ORDER BY (verdict = 'outdated') DESC, running DESC, site, hostname, host;

-- name: hosts
SELECT h.site, h.host, h.hostname,
       CASE WHEN h.silent THEN 'silent' WHEN h.degraded IS NOT NULL THEN 'degraded'
            ELSE 'well' END AS state,
       h.images, coalesce(c.n_outdated, 0) AS outdated, coalesce(c.n_unknown, 0) AS unknown,
       h.last_seen_at, h.degraded, h.agent_version, h.engine, h.engine_version, h.os, h.arch,
       h.place, h.labels, h.silent, h.silent_for, h.changed_at, h.first_seen_at, h.skipped
FROM ops.hosts AS h
LEFT JOIN (
  SELECT site AS of_site, host AS of_host, outdated AS n_outdated, unknown AS n_unknown
  FROM ops.host_counts
) AS c ON c.of_site = h.site AND c.of_host = h.host
{where}
ORDER BY h.silent DESC, (h.degraded IS NOT NULL) DESC, outdated DESC, h.site, h.hostname, h.host;

-- name: host
SELECT reference, verdict, reason, verdict_since, stale, running, containers, platform,
       local_digests, remote_digest, checked_at, next_check_at, error, site, host, hostname
FROM ops.comparisons
{where}
ORDER BY site, host, (verdict = 'outdated') DESC, running DESC, reference;

-- name: this_host
SELECT reference, image_id, verdict, reason, error FROM ops.comparisons
WHERE site = 'local' AND host = 'this-host'
ORDER BY (verdict = 'outdated') DESC, reference;

-- name: why
SELECT * FROM ops.comparisons
{where}
ORDER BY site, host;

-- name: registries
SELECT * FROM ops.registries
{where}
ORDER BY hosts > 1 DESC, registry, credential;

-- name: errors
SELECT * FROM ops.lookup_errors
{where}
ORDER BY hosts DESC, reference;

-- name: dead_letters
SELECT letter, received_at, times, service, reason, subject, error, stream, stream_seq,
       first_received_at
FROM ops.dead_letters
{where}
ORDER BY received_at DESC, letter;

-- name: dead_letter
SELECT * FROM ops.dead_letters WHERE letter = :letter::text;

-- name: drop_letter
DELETE FROM fleet.dead_letters
WHERE left(md5(concat_ws(E'\n', service, reason, extract(epoch FROM hour)::bigint, subject)), 12)
      = :letter::text
RETURNING seq;

-- name: host_history
SELECT occurred_at, site, host, reference,
       CASE WHEN old_image_id IS NULL THEN 'came' WHEN new_image_id IS NULL THEN 'went'
            ELSE 'replaced' END AS change,
       old_digests, new_digests, old_image_id, new_image_id
FROM ops.host_history
{where}
ORDER BY occurred_at DESC, site, host, reference;

-- name: tag_history
SELECT valid_from, valid_to, digest, reference
FROM ops.tag_history
{where}
ORDER BY valid_from DESC;

-- name: hosts_named
SELECT site, host, hostname, silent, silent_for, degraded FROM ops.hosts
{where}
ORDER BY site, host;

-- name: references_of
SELECT DISTINCT reference AS name FROM ops.comparisons
{where};

-- name: counted
SELECT count(*) AS n FROM (
{query}
LIMIT :most::bigint + 1
) AS counted;

-- name: hosts_counted
SELECT count(*) AS n FROM (
SELECT FROM ops.hosts AS h
{where}
LIMIT :most::bigint + 1
) AS counted;

-- name: hosts_like
SELECT DISTINCT hostname AS name FROM ops.hosts
WHERE strpos(lower(hostname), lower(:name::text)) > 0 OR left(hostname, 2) = left(:name, 2)
   OR right(hostname, 3) = right(:name, 3)
UNION
SELECT host FROM ops.hosts
WHERE strpos(host, lower(:name)) > 0 OR left(host, 2) = left(:name, 2)
LIMIT 5000;

-- name: images_like
SELECT reference AS name FROM ops.images
WHERE strpos(reference, :name::text) > 0 OR repository = :repository::text
   OR left(repository, 10) = left(:repository, 10) OR right(repository, 4) = right(:repository, 4)
LIMIT 5000;

-- name: troubled_hosts
SELECT site, host, hostname, silent, silent_for, degraded FROM ops.hosts
WHERE silent OR degraded IS NOT NULL;

-- name: degraded_hosts
SELECT count(*) AS n FROM ops.hosts
{where};

-- name: letters_of_hosts
SELECT split_part(subject, '.', 4) AS site, split_part(subject, '.', 5) AS host,
       sum(times)::bigint AS times
FROM ops.dead_letters
WHERE subject LIKE 'drift.v1.inventory.%' AND received_at > now() - interval '1 day'
GROUP BY 1, 2;

-- name: letters_of_a_day
SELECT coalesce(sum(times), 0)::bigint AS times FROM ops.dead_letters
{where};

-- name: sites
SELECT DISTINCT site AS name FROM ops.hosts;

-- name: places
SELECT place AS name FROM ops.places;

-- name: labels
SELECT DISTINCT key || '=' || value AS name FROM ops.hosts, jsonb_each_text(labels) LIMIT 10000;

-- name: has_label
SELECT EXISTS (SELECT FROM ops.hosts
               WHERE labels @> jsonb_build_object(:key::text, :value::text)) AS found;

-- name: registry_names
SELECT DISTINCT registry AS name FROM ops.images;

-- name: budgets
SELECT * FROM ops.registries
ORDER BY (hosts > 1) DESC, (blocked_until > now()) DESC NULLS LAST, rate_remaining NULLS LAST, registry, credential;

-- name: asked
SELECT i.reference, i.registry, b.blocked_until
FROM ops.images AS i
LEFT JOIN (
  SELECT registry, min(greatest(blocked_until, '-infinity')) AS blocked_until
  FROM ops.registries GROUP BY registry
) AS b ON b.registry = i.registry AND b.blocked_until > now()
{where}
ORDER BY i.running_hosts DESC, i.reference;

-- name: words
SELECT DISTINCT regexp_replace(repository, '^.*/', '') AS name FROM ops.images
UNION
SELECT DISTINCT hostname FROM ops.hosts
LIMIT 10000;

-- name: is_a_word
SELECT EXISTS (SELECT FROM ops.images WHERE strpos(lower(reference), lower(:text::text)) > 0)
    OR EXISTS (SELECT FROM ops.hosts WHERE strpos(lower(hostname), lower(:text)) > 0
                 OR strpos(host, lower(:text)) > 0) AS found;

-- name: hosts_with
SELECT site, host FROM ops.hosts
WHERE strpos(lower(hostname), lower(:text::text)) > 0 OR strpos(lower(host), lower(:text)) > 0
LIMIT :most::bigint;

-- name: references_with
SELECT reference FROM ops.images
WHERE strpos(lower(reference), lower(:text::text)) > 0
LIMIT :most::bigint;

-- name: activity
SELECT * FROM ops.activity;

-- name: due
SELECT site, hostname, reference, running, due_at, overdue_for, available_since, cause,
       recreate_only, stale, local_digests, remote_digest, checked_at, host, place, labels,
       containers, platform, verdict, reason, verdict_since, outdated_for, error, newest, step
FROM ops.due
{where}
ORDER BY available_since, site, hostname, host, reference;

-- name: excused
SELECT site, hostname, reference, running, due_at, excused_by, kind, until, decision_id,
       overdue_for, available_since, cause, recreate_only, stale, local_digests, remote_digest,
       checked_at, host, place, labels, containers, platform, verdict, reason, verdict_since,
       outdated_for, error, newest, step
FROM ops.excused
{where}
ORDER BY available_since, site, hostname, host, reference;

-- name: decisions
SELECT decision_id, decided_at, by, kind, pattern, selector, value, until, active, matches,
       reason, undone_at, undone_by, undone_because
FROM ops.decisions
{where}
ORDER BY decided_at DESC, decision_id DESC;

-- name: decision_ids
SELECT decision_id::text AS name FROM ops.decisions
ORDER BY decided_at DESC LIMIT 5000;

-- name: check_end
SELECT extract(year FROM coalesce(nullif(:until::text, '')::timestamptz,
                                  now() + nullif(:span::text, '')::interval)) > 9999 AS is_too_far;

-- name: decide
SELECT decision_id, matches
FROM ops.decide(:pattern::text, :selector::text::jsonb, :kind::text,
                coalesce(nullif(:until::text, '')::timestamptz,
                         now() + nullif(:span::text, '')::interval),
                :reason::text, :value::text);

-- name: undo
SELECT ops.undo(:decision_id::bigint, :reason::text);

-- name: plan
SELECT ring, site, host, hostname, reference, digest, running, containers
FROM (
  SELECT width_bucket(
           ('x' || substr(md5(site || '/' || host), 1, 8))::bit(32)::bigint / 4294967296.0,
           :ends::numeric[]) + 1 AS ring,
         site, host, hostname, reference, remote_digest AS digest,
         sum(running)::integer AS running,
         string_to_array(nullif(string_agg(nullif(array_to_string(containers, chr(31)), ''), chr(31)), ''),
                         chr(31)) AS containers
  FROM {view}
  {where}
  GROUP BY site, host, hostname, reference, remote_digest
) AS p
WHERE ring <= cardinality(:ends::numeric[])
ORDER BY ring, site, hostname, host, reference;

-- name: make_plan
SELECT plan_id, images
FROM ops.make_plan(:references::text[], :rings::numeric[], :selector::text::jsonb, :note::text);

-- name: plans
SELECT plan_id, made_at, by, what, selector, ring, share, hosts, images, done, waiting, silent,
       regressed, note
FROM ops.plans
{where}
ORDER BY made_at DESC, plan_id DESC, ring;

-- name: plan_hosts
SELECT plan_id, ring, site, host, hostname, reference, state, running_before, running, digest,
       containers, place, labels
FROM ops.plan_hosts
{where}
ORDER BY plan_id DESC, ring, site, hostname, host, reference;

-- name: changed_within
SELECT count(DISTINCT (site, host)) AS hosts,
       count(DISTINCT (site, host)) FILTER (WHERE running > 0) AS running_hosts
FROM ops.comparisons
{where};

-- name: version_of
SELECT *, coalesce(whole_until <= now(), false) AS is_old FROM ops.versions WHERE reference = :reference::text;

-- name: versions
SELECT reference, newest_patch, newest_minor, newest_major, behind, running_hosts, hosts, truncated,
       listed_at, next_list_at, error, version, track, patch_state, minor_state, major_state,
       registry, repository, tag, names, whole_until, left_out
FROM ops.versions
{where}
ORDER BY running_hosts DESC, hosts DESC, reference;
