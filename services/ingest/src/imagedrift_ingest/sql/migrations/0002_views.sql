-- What operators read: the views of ops, a comment on every column, and the roles
-- depends: 0001_facts
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '1min';

CREATE VIEW fleet.judged AS
SELECT
  c.comparison_id,
  c.ref_id,
  c.verdict,
  c.verdict = 'outdated' AS outdated,
  a.failure IS NOT NULL AND (a.remote_digest IS NOT NULL OR a.gone)
    AND c.verdict NOT IN ('pinned', 'local') AS stale
FROM fleet.comparisons AS c
LEFT JOIN fleet.answers AS a ON a.ref_id = c.ref_id;
COMMENT ON VIEW fleet.judged IS 'The verdict of each distinct local image, and whether it rests on an answer from before a failure.';

CREATE VIEW ops.comparisons AS
SELECT
  h.site, h.host, h.hostname, h.labels,
  r.reference, r.registry, r.repository, r.tag,
  c.platform, c.image_id, c.repo_digests AS local_digests, a.remote_digest,
  c.verdict, c.reason, greatest(c.verdict_since, hi.since) AS verdict_since,
  CASE WHEN c.verdict NOT IN ('pinned', 'local') THEN coalesce(a.checked_at, a.attempted_at) END AS checked_at,
  CASE WHEN c.verdict NOT IN ('pinned', 'local') THEN a.next_check_at END AS next_check_at,
  coalesce(a.failure IS NOT NULL AND (a.remote_digest IS NOT NULL OR a.gone)
    AND c.verdict NOT IN ('pinned', 'local'), false) AS stale,
  CASE
    WHEN c.verdict IN ('pinned', 'local') THEN NULL
    WHEN r.policy = 'machine_bound' THEN 'the registry''s name means another machine on every host: never asked centrally'
    ELSE a.error
  END AS error,
  hi.running, coalesce(hi.containers, '{}') AS containers,
  c.size_bytes AS size, c.created_at,
  h.place, hi.tagged, hi.since AS on_host_since
FROM fleet.host_images AS hi
JOIN fleet.comparisons AS c ON c.comparison_id = hi.comparison_id
LEFT JOIN fleet.image_refs AS r ON r.ref_id = c.ref_id
LEFT JOIN fleet.answers AS a ON a.ref_id = c.ref_id
LEFT JOIN fleet.hosts AS h ON h.host_id = hi.host_id;
COMMENT ON VIEW ops.comparisons IS 'Every image on every host, held against what its registry says. One row per host and local image.';

CREATE VIEW ops.outdated AS
SELECT
  h.site, h.host, h.hostname, h.labels,
  r.reference, r.registry, r.repository, r.tag,
  c.platform, c.image_id, c.repo_digests AS local_digests, a.remote_digest,
  c.verdict, c.reason, greatest(c.verdict_since, hi.since) AS verdict_since,
  coalesce(a.checked_at, a.attempted_at) AS checked_at, a.next_check_at,
  coalesce(a.failure IS NOT NULL, false) AS stale, a.error,
  hi.running, coalesce(hi.containers, '{}') AS containers,
  c.size_bytes AS size, c.created_at,
  now() - greatest(c.verdict_since, hi.since) AS outdated_for,
  hi.shared AND EXISTS (
    SELECT FROM fleet.host_images AS other
    JOIN fleet.comparisons AS new ON new.comparison_id = other.comparison_id
    WHERE other.host_id = hi.host_id AND new.ref_id = c.ref_id AND new.verdict = 'current'
  ) AS recreate_only,
  h.place, hi.tagged, hi.since AS on_host_since
FROM fleet.host_images AS hi
JOIN fleet.comparisons AS c ON c.comparison_id = hi.comparison_id
LEFT JOIN fleet.image_refs AS r ON r.ref_id = c.ref_id
LEFT JOIN fleet.answers AS a ON a.ref_id = c.ref_id
LEFT JOIN fleet.hosts AS h ON h.host_id = hi.host_id
WHERE c.verdict = 'outdated';
COMMENT ON VIEW ops.outdated IS 'Images that their registry has replaced. One row per host and local image.';

CREATE VIEW ops.host_counts AS
SELECT
  h.site, h.host, h.hostname, h.labels, h.place,
  n.images, n.outdated, n.unknown
FROM (
  SELECT
    hi.host_id,
    count(*) AS images,
    count(*) FILTER (WHERE c.verdict = 'outdated') AS outdated,
    count(*) FILTER (WHERE c.verdict = 'unknown') AS unknown
  FROM fleet.host_images AS hi
  JOIN fleet.comparisons AS c ON c.comparison_id = hi.comparison_id
  GROUP BY hi.host_id
) AS n
JOIN fleet.hosts AS h ON h.host_id = n.host_id;
COMMENT ON VIEW ops.host_counts IS 'Images per host, counted for the whole fleet at once: for questions such as the worst hosts. For one host, ops.hosts is faster.';

CREATE VIEW ops.hosts AS
SELECT
  h.site, h.host, h.hostname, h.labels,
  n.images, n.outdated, n.unknown,
  s.last_seen_at, now() - s.last_seen_at AS silent_for,
  s.last_seen_at < now() - make_interval(secs => 3 * s.interval_s) AS silent,
  h.place, h.os, h.arch, h.engine, h.engine_version, h.agent_version,
  nullif(s.degraded, '') AS degraded, s.changed_at, h.first_seen_at
FROM fleet.hosts AS h
JOIN fleet.host_state AS s ON s.host_id = h.host_id
LEFT JOIN LATERAL (
  SELECT
    count(*) AS images,
    count(*) FILTER (WHERE c.verdict = 'outdated') AS outdated,
    count(*) FILTER (WHERE c.verdict = 'unknown') AS unknown
  FROM fleet.host_images AS hi
  JOIN fleet.comparisons AS c ON c.comparison_id = hi.comparison_id
  WHERE hi.host_id = h.host_id
) AS n ON true
WHERE h.retired_at IS NULL;
COMMENT ON VIEW ops.hosts IS 'Every host that counts, with its images and whether it still speaks.';

CREATE VIEW ops.fleet_summary AS
SELECT
  h.hosts, h.silent_hosts,
  i.images, i.current, i.outdated, i.pinned, i.local, i.missing, i.unknown, i.stale,
  now() AS as_of
FROM (
  SELECT
    count(*) AS hosts,
    count(*) FILTER (WHERE s.last_seen_at < now() - make_interval(secs => 3 * s.interval_s)) AS silent_hosts
  FROM fleet.hosts AS h
  JOIN fleet.host_state AS s ON s.host_id = h.host_id
  WHERE h.retired_at IS NULL
) AS h
CROSS JOIN (
  SELECT
    coalesce(sum(u.n), 0)::bigint AS images,
    coalesce(sum(u.n) FILTER (WHERE j.verdict = 'current'), 0)::bigint AS current,
    coalesce(sum(u.n) FILTER (WHERE j.verdict = 'outdated'), 0)::bigint AS outdated,
    coalesce(sum(u.n) FILTER (WHERE j.verdict = 'pinned'), 0)::bigint AS pinned,
    coalesce(sum(u.n) FILTER (WHERE j.verdict = 'local'), 0)::bigint AS local,
    coalesce(sum(u.n) FILTER (WHERE j.verdict = 'missing'), 0)::bigint AS missing,
    coalesce(sum(u.n) FILTER (WHERE j.verdict = 'unknown'), 0)::bigint AS unknown,
    coalesce(sum(u.n) FILTER (WHERE j.stale), 0)::bigint AS stale
  FROM (SELECT comparison_id, count(*) AS n FROM fleet.host_images GROUP BY comparison_id) AS u
  JOIN fleet.judged AS j ON j.comparison_id = u.comparison_id
) AS i;
COMMENT ON VIEW ops.fleet_summary IS 'The whole fleet in one row.';

CREATE VIEW ops.images AS
SELECT
  r.reference, r.registry, r.repository, r.tag,
  (n.hosts + coalesce(s.hosts, 0))::bigint AS hosts,
  (n.running_hosts + coalesce(s.running_hosts, 0))::bigint AS running_hosts,
  (n.outdated_hosts + coalesce(s.outdated_hosts, 0))::bigint AS outdated_hosts,
  n.variants,
  a.remote_digest, a.remote_since, coalesce(a.checked_at, a.attempted_at) AS checked_at,
  a.next_check_at, a.error
FROM (
  SELECT
    j.ref_id,
    sum(u.hosts) AS hosts,
    sum(u.running_hosts) AS running_hosts,
    coalesce(sum(u.hosts) FILTER (WHERE j.outdated), 0) AS outdated_hosts,
    count(*) AS variants
  FROM (
    SELECT
      comparison_id,
      count(*) FILTER (WHERE NOT shared) AS hosts,
      count(*) FILTER (WHERE NOT shared AND running > 0) AS running_hosts
    FROM fleet.host_images
    GROUP BY comparison_id
  ) AS u
  JOIN fleet.judged AS j ON j.comparison_id = u.comparison_id
  GROUP BY j.ref_id
) AS n
LEFT JOIN (
  SELECT
    p.ref_id,
    count(*) AS hosts,
    count(*) FILTER (WHERE p.running) AS running_hosts,
    count(*) FILTER (WHERE p.outdated) AS outdated_hosts
  FROM (
    SELECT j.ref_id, hi.host_id, bool_or(hi.running > 0) AS running, bool_or(j.outdated) AS outdated
    FROM fleet.host_images AS hi
    JOIN fleet.judged AS j ON j.comparison_id = hi.comparison_id
    WHERE hi.shared
    GROUP BY j.ref_id, hi.host_id
  ) AS p
  GROUP BY p.ref_id
) AS s ON s.ref_id = n.ref_id
JOIN fleet.image_refs AS r ON r.ref_id = n.ref_id
LEFT JOIN fleet.answers AS a ON a.ref_id = n.ref_id;
COMMENT ON VIEW ops.images IS 'Every reference that a host has, with how many hosts are affected. A host counts once, however many images of the reference it has.';

CREATE VIEW ops.registries AS
SELECT
  registry, credential, rate_limit, rate_remaining, make_interval(secs => rate_window_s) AS rate_window,
  rate_reset_at, greatest(blocked_until, get_blocked_until) AS blocked_until,
  last_status, last_error, observed_at
FROM fleet.registry_states;
COMMENT ON VIEW ops.registries IS 'What each registry allows us, per credential.';

CREATE VIEW ops.lookup_errors AS
SELECT
  r.reference, coalesce(a.failure, 'missing') AS outcome, a.error, a.failures, a.failing_since,
  a.next_check_at,
  (
    SELECT count(DISTINCT hi.host_id)
    FROM fleet.comparisons AS c
    JOIN fleet.host_images AS hi ON hi.comparison_id = c.comparison_id
    WHERE c.ref_id = a.ref_id
  ) AS hosts
FROM fleet.answers AS a
JOIN fleet.image_refs AS r ON r.ref_id = a.ref_id
WHERE a.failing_since IS NOT NULL;
COMMENT ON VIEW ops.lookup_errors IS 'References whose last check found nothing, and why.';

CREATE VIEW ops.tag_history AS
SELECT r.reference, t.digest, t.valid_from, t.valid_to
FROM fleet.remote_history AS t
JOIN fleet.image_refs AS r ON r.ref_id = t.ref_id;
COMMENT ON VIEW ops.tag_history IS 'What a tag pointed to, and when.';

CREATE VIEW ops.host_history AS
SELECT
  h.site, h.host, r.reference, old.repo_digests AS old_digests, new.repo_digests AS new_digests,
  t.occurred_at, old.image_id AS old_image_id, new.image_id AS new_image_id
FROM fleet.host_changes AS t
LEFT JOIN fleet.hosts AS h ON h.host_id = t.host_id
LEFT JOIN fleet.image_refs AS r ON r.ref_id = t.ref_id
LEFT JOIN fleet.comparisons AS old ON old.comparison_id = t.old_comparison_id
LEFT JOIN fleet.comparisons AS new ON new.comparison_id = t.new_comparison_id;
COMMENT ON VIEW ops.host_history IS 'What changed on hosts: an image that came, went or was replaced.';

CREATE VIEW ops.trend AS
SELECT
  taken_at, hosts, silent_hosts, images, current, outdated, pinned, local, missing, unknown, stale
FROM fleet.trend;
COMMENT ON VIEW ops.trend IS 'The fleet summary over time, a row every five minutes.';

CREATE VIEW ops.dead_letters AS
SELECT
  received_at, subject, reason, error, encode(payload, 'escape') AS payload,
  service, stream, stream_seq
FROM fleet.dead_letters;
COMMENT ON VIEW ops.dead_letters IS 'Messages that were refused, with the reason.';

CREATE VIEW ops.places AS
WITH counted AS (
  SELECT
    h.host_id, string_to_array(h.place, '/') AS parts,
    s.last_seen_at < now() - make_interval(secs => 3 * s.interval_s) AS silent,
    coalesce(o.images, 0) AS outdated_images
  FROM fleet.hosts AS h
  JOIN fleet.host_state AS s ON s.host_id = h.host_id
  LEFT JOIN (
    SELECT hi.host_id, count(*) AS images
    FROM fleet.comparisons AS c
    JOIN fleet.host_images AS hi ON hi.comparison_id = c.comparison_id
    WHERE c.verdict = 'outdated'
    GROUP BY hi.host_id
  ) AS o ON o.host_id = h.host_id
  WHERE h.retired_at IS NULL AND h.place <> ''
)
SELECT
  array_to_string(c.parts[:l.level], '/') AS place, l.level,
  count(*) AS hosts,
  count(*) FILTER (WHERE c.outdated_images > 0) AS outdated,
  count(*) FILTER (WHERE c.silent) AS silent,
  sum(c.outdated_images)::bigint AS outdated_images
FROM counted AS c
CROSS JOIN LATERAL generate_series(1, cardinality(c.parts)) AS l (level)
GROUP BY 1, 2;
COMMENT ON VIEW ops.places IS 'Hosts rolled up along their places: one row per place at each level.';

DO $$
DECLARE
  said record;
BEGIN
  FOR said IN
    SELECT v.table_name, v.column_name, w.words
    FROM information_schema.columns AS v
    JOIN (VALUES
      ('site', 'Site of the host.'),
      ('host', 'Identifier of the host within its site.'),
      ('hostname', 'Name that the host has for itself.'),
      ('labels', 'Labels of the host, key to value.'),
      ('place', 'Where the host sits, from the outside in, parts separated by /.'),
      ('reference', 'Image reference in full, like docker.io/library/nginx:1.27.'),
      ('registry', 'Registry of the reference.'),
      ('repository', 'Repository within the registry.'),
      ('tag', 'Tag; null when the reference names a digest.'),
      ('platform', 'Platform of the local image.'),
      ('image_id', 'The engine''s identifier of the local image.'),
      ('local_digests', 'Digests under which the registry knows the local image; empty for a local build.'),
      ('remote_digest', 'Digest that the reference pointed to when it was last found.'),
      ('remote_since', 'When that digest was first found.'),
      ('verdict', 'current, outdated, pinned, local, missing or unknown.'),
      ('reason', 'Why.'),
      ('verdict_since', 'Since when this host has had this verdict.'),
      ('checked_at', 'When the registry gave the answer that this rests on; of a reference never answered, the last try.'),
      ('next_check_at', 'When the registry is asked next; null when it never is.'),
      ('stale', 'Whether the last check failed, so that the verdict is from before that.'),
      ('error', 'What was wrong at the last check; null when all was well.'),
      ('running', 'How many of the containers run.'),
      ('containers', 'Names of the containers made from the image under this reference.'),
      ('size', 'Size of the image on disk, in bytes.'),
      ('created_at', 'When the image was built.'),
      ('tagged', 'False when the reference''s tag has moved on this host and only a container keeps the image.'),
      ('on_host_since', 'When the host was first seen with the image.'),
      ('outdated_for', 'How long the host has been outdated.'),
      ('recreate_only', 'Whether the new image is on the host already: recreating the containers will do.'),
      ('images', 'Local images, each counted on each host.'),
      ('current', 'Of the images: up to date.'),
      ('outdated', 'Of the images: replaced by their registry.'),
      ('pinned', 'Of the images: run by digest.'),
      ('local', 'Of the images: never pulled or pushed.'),
      ('missing', 'Of the images: their tag is gone.'),
      ('unknown', 'Of the images: never answered.'),
      ('hosts', 'How many hosts.'),
      ('silent_hosts', 'Hosts that have been silent for three of their intervals.'),
      ('as_of', 'When this was counted.'),
      ('running_hosts', 'Hosts with a running container of it.'),
      ('outdated_hosts', 'Hosts with an outdated image of it.'),
      ('variants', 'Distinct local images of it.'),
      ('last_seen_at', 'Last sign of life.'),
      ('silent_for', 'How long ago that was.'),
      ('silent', 'Whether that is more than three of the host''s intervals.'),
      ('os', 'Operating system of the host.'),
      ('arch', 'Processor architecture of the host.'),
      ('engine', 'Container engine of the host.'),
      ('engine_version', 'Version of the container engine.'),
      ('agent_version', 'Version of the agent.'),
      ('degraded', 'Why the host''s images may be out of date; null when all is well.'),
      ('changed_at', 'When the host''s images last changed.'),
      ('first_seen_at', 'When the host first reported.'),
      ('credential', 'Name of the credential, or anonymous.'),
      ('rate_limit', 'Requests allowed per window.'),
      ('rate_remaining', 'Requests left in the window.'),
      ('rate_window', 'Length of the window.'),
      ('rate_reset_at', 'When the window starts anew.'),
      ('blocked_until', 'Until when some or all requests wait.'),
      ('last_status', 'HTTP status of the last response.'),
      ('last_error', 'What was last wrong.'),
      ('observed_at', 'When this was learnt.'),
      ('outcome', 'Kind of failure, or missing.'),
      ('failures', 'How many checks in a row found nothing.'),
      ('failing_since', 'When the first of them was.'),
      ('digest', 'What the tag pointed to.'),
      ('valid_from', 'When that was first found.'),
      ('valid_to', 'When something else was found, or nothing; null while it holds.'),
      ('old_digests', 'Digests of the image that is gone; null when none was there.'),
      ('new_digests', 'Digests of the image that came; null when it was only removed.'),
      ('old_image_id', 'Identifier of the image that is gone.'),
      ('new_image_id', 'Identifier of the image that came.'),
      ('occurred_at', 'When the host said so.'),
      ('taken_at', 'The five minutes that the row stands for.'),
      ('received_at', 'When the message was refused.'),
      ('subject', 'Subject of the message.'),
      ('payload', 'The message, at most its first 64 KiB, bytes outside ASCII as \nnn.'),
      ('service', 'The service that refused it.'),
      ('stream', 'Stream that it came from.'),
      ('stream_seq', 'Its place in that stream.'),
      ('level', 'Depth of the place: 1 is the outermost.'),
      ('outdated_images', 'Outdated images on these hosts.'),
      ('comparison_id', 'The comparison.'),
      ('ref_id', 'The reference.')
    ) AS w (name, words) ON w.name = v.column_name
    WHERE v.table_schema = 'ops' OR (v.table_schema = 'fleet' AND v.table_name = 'judged')
  LOOP
    EXECUTE format('COMMENT ON COLUMN %s.%I.%I IS %L',
      CASE said.table_name WHEN 'judged' THEN 'fleet' ELSE 'ops' END, said.table_name, said.column_name, said.words);
  END LOOP;
END
$$;
COMMENT ON COLUMN ops.trend.stale IS 'Of the images: with a verdict from before the last check failed.';
COMMENT ON COLUMN ops.fleet_summary.stale IS 'Of the images: with a verdict from before the last check failed.';
COMMENT ON COLUMN ops.dead_letters.reason IS 'Why, in a word.';
COMMENT ON COLUMN ops.dead_letters.error IS 'Why, in a sentence.';
COMMENT ON COLUMN ops.places.place IS 'The place, from the outside in.';
COMMENT ON COLUMN ops.places.outdated IS 'Of the hosts: with at least one outdated image.';
COMMENT ON COLUMN ops.places.silent IS 'Of the hosts: silent for three of their intervals.';
COMMENT ON COLUMN fleet.judged.outdated IS 'Whether the verdict is outdated.';

DO $$
BEGIN
  CREATE ROLE imagedrift_operator NOLOGIN;
EXCEPTION
  WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;
DO $$
BEGIN
  CREATE ROLE imagedrift_writer NOLOGIN;
EXCEPTION
  WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;
ALTER ROLE imagedrift_operator SET statement_timeout = '30s';
ALTER ROLE imagedrift_operator SET default_transaction_read_only = on;
ALTER ROLE imagedrift_operator SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE imagedrift_operator SET search_path = ops;
GRANT USAGE ON SCHEMA ops TO imagedrift_operator, imagedrift_writer;
GRANT SELECT ON ALL TABLES IN SCHEMA ops TO imagedrift_operator, imagedrift_writer;
ALTER DEFAULT PRIVILEGES IN SCHEMA ops GRANT SELECT ON TABLES TO imagedrift_operator, imagedrift_writer;
GRANT SELECT ON public._pogo_migration TO imagedrift_writer; -- ingest checks the schema at its start
GRANT USAGE ON SCHEMA fleet TO imagedrift_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA fleet TO imagedrift_writer;
ALTER DEFAULT PRIVILEGES IN SCHEMA fleet GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO imagedrift_writer;
-- migrate: rollback
-- Forward only.
