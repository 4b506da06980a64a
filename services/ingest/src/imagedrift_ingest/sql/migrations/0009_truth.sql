-- Identity before platform, digests that engines forgot, what hosts leave out, and twins of a host
-- depends: 0008_signs
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '10min';

-- A local image is known by all that counts for its verdict, so that no host decides for another.
-- By a hash, as an index row has no room for tens of digests. The platform is last: it is free text.
CREATE FUNCTION fleet.identity_of(
  image_id text, repo_digests text[], platform text, manifest_digest text, digest_lost boolean, by_digest boolean
) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sha256(convert_to(
  image_id || '|' || array_to_string(repo_digests, ',') || '|' || coalesce(manifest_digest, '')
    || '|' || digest_lost::text || '|' || by_digest::text || '|' || platform, 'UTF8'));
COMMENT ON FUNCTION fleet.identity_of(text, text[], text, text, boolean, boolean) IS 'The identity of a distinct local image under its reference.';

-- The table holds a row for each distinct image: rewriting it takes a moment.
ALTER TABLE fleet.comparisons
  -- squawk-ignore adding-required-field
  ADD COLUMN digest_lost boolean NOT NULL DEFAULT false,
  ADD COLUMN by_digest boolean NOT NULL DEFAULT false;
ALTER TABLE fleet.comparisons
  -- squawk-ignore adding-not-nullable-field, adding-required-field
  ADD COLUMN identity bytea NOT NULL
    -- squawk-ignore adding-field-with-default
    GENERATED ALWAYS AS (fleet.identity_of(image_id, repo_digests, platform, manifest_digest, digest_lost, by_digest)) STORED,
  -- squawk-ignore ban-drop-constraint
  DROP CONSTRAINT comparisons_ref_id_image_id_repo_digests_platform_key,
  -- squawk-ignore ban-drop-constraint
  DROP CONSTRAINT comparisons_check,
  -- squawk-ignore disallowed-unique-constraint, constraint-missing-not-valid
  ADD CONSTRAINT comparisons_identity_key UNIQUE (ref_id, identity),
  -- squawk-ignore constraint-missing-not-valid
  ADD CONSTRAINT comparisons_lost_check CHECK (NOT digest_lost OR repo_digests = '{}'),
  -- squawk-ignore constraint-missing-not-valid
  ADD CONSTRAINT comparisons_reason_check CHECK ((verdict, reason) IN (
    ('current', 'digest_match'), ('current', 'platform_match'),
    ('outdated', 'digest_differs'), ('outdated', 'platform_differs'),
    ('pinned', 'by_digest'), ('local', 'no_repo_digest'), ('missing', 'not_found'),
    ('unknown', 'not_checked'), ('unknown', 'denied'), ('unknown', 'limited'), ('unknown', 'unreachable'),
    ('unknown', 'refused'), ('unknown', 'unsupported'), ('unknown', 'invalid'), ('unknown', 'digest_lost')));
COMMENT ON COLUMN fleet.comparisons.digest_lost IS 'Whether it has no repo digest because its engine has forgotten it.';
COMMENT ON COLUMN fleet.comparisons.by_digest IS 'Whether its containers were made from tag@digest: made anew they are the same image.';
COMMENT ON COLUMN fleet.comparisons.identity IS 'Hash of all that tells it from other images of its reference.';
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX fleet.comparisons_undescribed_idx;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX comparisons_undescribed_idx ON fleet.comparisons (ref_id) WHERE reason IN ('digest_differs', 'digest_lost');

ALTER TABLE fleet.descriptions
  ADD COLUMN asked_ref_id bigint,
  -- squawk-ignore adding-required-field
  ADD COLUMN is_complete boolean
    -- squawk-ignore adding-field-with-default
    GENERATED ALWAYS AS (
    children <> '[]' AND NOT jsonb_path_exists(
      children, '$[*] ? (!exists(@.config_digest) || @.config_digest == "" || @.nested == true)')) STORED;
COMMENT ON COLUMN fleet.descriptions.platforms IS 'Platforms of the images that it was asked for.';
COMMENT ON COLUMN fleet.descriptions.asked_ref_id IS 'The reference whose repository was asked last.';
COMMENT ON COLUMN fleet.descriptions.is_complete IS 'Whether every child''s image id is known, so that nothing is left to ask.';
COMMENT ON COLUMN fleet.descriptions.next_ask_at IS 'When it is asked again if no answer came, it failed, or something is left to ask.';

-- Which rules the stored verdicts were made by: a service with other rules judges all anew, once.
ALTER TABLE fleet.generation ADD COLUMN judged_by integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN fleet.generation.judged_by IS 'Version of the rules by which all verdicts were made.';

-- Until now the first host decided for all which manifest an image is. Hosts with such images are
-- compared in full with their next inventory, changed or not.
UPDATE fleet.host_state AS s SET reconciled_at = 'epoch'
WHERE EXISTS (
  SELECT FROM fleet.host_images AS hi
  JOIN fleet.comparisons AS c ON c.comparison_id = hi.comparison_id
  WHERE hi.host_id = s.host_id AND c.manifest_digest IS NOT NULL
);

ALTER TABLE fleet.hosts
  ADD COLUMN skipped jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(skipped) = 'object'),
  ADD COLUMN hostname_before text NOT NULL DEFAULT '',
  ADD COLUMN renamed_at timestamptz;
COMMENT ON COLUMN fleet.hosts.skipped IS 'How many images and containers it does not report in full, by reason.';
COMMENT ON COLUMN fleet.hosts.hostname_before IS 'The name that it gave itself before this one.';
COMMENT ON COLUMN fleet.hosts.renamed_at IS 'When that changed.';

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX dead_letters_subject_idx ON fleet.dead_letters (subject, received_at);

-- A start of an agent that was replaced by another one and speaks again is proof of two machines.
ALTER TABLE fleet.host_state
  ADD COLUMN boot text NOT NULL DEFAULT '',
  ADD COLUMN boots_before text[] NOT NULL DEFAULT '{}',
  ADD COLUMN boot_returns integer NOT NULL DEFAULT 0,
  ADD COLUMN boot_returned_at timestamptz;
COMMENT ON COLUMN fleet.host_state.boot IS 'The start of an agent that spoke last.';
COMMENT ON COLUMN fleet.host_state.boots_before IS 'The starts that spoke before that one, the last one first; bounded.';
COMMENT ON COLUMN fleet.host_state.boot_returns IS 'How often, close upon each other, a start has spoken again that another one had replaced.';
COMMENT ON COLUMN fleet.host_state.boot_returned_at IS 'When one did so last.';

CREATE OR REPLACE VIEW fleet.judged AS
SELECT
  c.comparison_id,
  c.ref_id,
  c.verdict,
  c.verdict = 'outdated' AS outdated,
  a.failure IS NOT NULL AND (a.remote_digest IS NOT NULL OR a.gone)
    AND c.verdict NOT IN ('pinned', 'local') AND c.reason <> 'digest_lost' AS stale
FROM fleet.comparisons AS c
LEFT JOIN fleet.answers AS a ON a.ref_id = c.ref_id;

CREATE OR REPLACE VIEW ops.comparisons AS
SELECT
  h.site, h.host, h.hostname, h.labels,
  r.reference, r.registry, r.repository, r.tag,
  c.platform, c.image_id, c.repo_digests AS local_digests, a.remote_digest,
  c.verdict, c.reason, greatest(c.verdict_since, hi.since) AS verdict_since,
  CASE WHEN c.verdict NOT IN ('pinned', 'local') THEN coalesce(a.checked_at, a.attempted_at) END AS checked_at,
  CASE WHEN c.verdict NOT IN ('pinned', 'local') THEN a.next_check_at END AS next_check_at,
  coalesce(a.failure IS NOT NULL AND (a.remote_digest IS NOT NULL OR a.gone)
    AND c.verdict NOT IN ('pinned', 'local') AND c.reason <> 'digest_lost', false) AS stale,
  CASE
    WHEN c.verdict IN ('pinned', 'local') THEN NULL
    WHEN r.policy = 'machine_bound' THEN 'the registry''s name means another machine on every host: never asked centrally'
    WHEN c.reason = 'digest_lost' THEN 'the engine no longer knows under which digest it got this image: pull the tag again, and recreate the container'
    ELSE nullif(concat_ws('; ',
      CASE WHEN c.verdict = 'outdated' AND c.by_digest THEN 'a container names the digest beside the tag: change the digest where the container is defined, and recreate it' END,
      a.error,
      CASE WHEN c.reason = 'digest_differs' THEN 'whether this very image was replaced is not known: ' || d.error END), '')
  END AS error,
  hi.running, coalesce(hi.containers, '{}') AS containers,
  c.size_bytes AS size, c.created_at,
  h.place, hi.tagged, hi.since AS on_host_since,
  c.manifest_digest, c.by_digest
FROM fleet.host_images AS hi
JOIN fleet.comparisons AS c ON c.comparison_id = hi.comparison_id
LEFT JOIN fleet.image_refs AS r ON r.ref_id = c.ref_id
LEFT JOIN fleet.answers AS a ON a.ref_id = c.ref_id
LEFT JOIN fleet.descriptions AS d ON d.digest = a.remote_digest
LEFT JOIN fleet.hosts AS h ON h.host_id = hi.host_id;
COMMENT ON COLUMN ops.comparisons.manifest_digest IS 'Digest of this platform''s manifest, where the engine knows it.';
COMMENT ON COLUMN ops.comparisons.by_digest IS 'Whether its containers were made from tag@digest: only another digest there brings another image.';

CREATE OR REPLACE VIEW ops.outdated AS
SELECT
  h.site, h.host, h.hostname, h.labels,
  r.reference, r.registry, r.repository, r.tag,
  c.platform, c.image_id, c.repo_digests AS local_digests, a.remote_digest,
  c.verdict, c.reason, greatest(c.verdict_since, hi.since) AS verdict_since,
  coalesce(a.checked_at, a.attempted_at) AS checked_at, a.next_check_at,
  coalesce(a.failure IS NOT NULL, false) AS stale,
  nullif(concat_ws('; ',
      CASE WHEN c.by_digest THEN 'a container names the digest beside the tag: change the digest where the container is defined, and recreate it' END,
      a.error,
      CASE WHEN c.reason = 'digest_differs' THEN 'whether this very image was replaced is not known: ' || d.error END), '') AS error,
  hi.running, coalesce(hi.containers, '{}') AS containers,
  c.size_bytes AS size, c.created_at,
  now() - greatest(c.verdict_since, hi.since) AS outdated_for,
  hi.shared AND NOT hi.tagged AND NOT c.by_digest AND EXISTS (
    SELECT FROM fleet.host_images AS other
    JOIN fleet.comparisons AS new ON new.comparison_id = other.comparison_id
    WHERE other.host_id = hi.host_id AND other.tagged AND new.ref_id = c.ref_id
      AND new.verdict = 'current' AND new.platform = c.platform
  ) AS recreate_only,
  h.place, hi.tagged, hi.since AS on_host_since,
  c.manifest_digest, c.by_digest
FROM fleet.host_images AS hi
JOIN fleet.comparisons AS c ON c.comparison_id = hi.comparison_id
LEFT JOIN fleet.image_refs AS r ON r.ref_id = c.ref_id
LEFT JOIN fleet.answers AS a ON a.ref_id = c.ref_id
LEFT JOIN fleet.descriptions AS d ON d.digest = a.remote_digest
LEFT JOIN fleet.hosts AS h ON h.host_id = hi.host_id
WHERE c.verdict = 'outdated';
COMMENT ON COLUMN ops.outdated.manifest_digest IS 'Digest of this platform''s manifest, where the engine knows it.';
COMMENT ON COLUMN ops.outdated.by_digest IS 'Whether its containers were made from tag@digest: only another digest there brings another image.';

CREATE OR REPLACE VIEW ops.hosts AS
SELECT
  h.site, h.host, h.hostname, h.labels,
  s.images::bigint AS images, n.outdated, n.unknown,
  s.last_seen_at, now() - s.last_seen_at AS silent_for, s.silent_at < now() AS silent,
  h.place, h.os, h.arch, h.engine, h.engine_version, h.agent_version,
  (CASE
    WHEN s.boot_returns >= 2 AND s.boot_returned_at > now() - make_interval(secs => 4.0 * s.interval_s) - interval '5 minutes'
      THEN 'two machines report under this host id: ' || concat_ws(' and ', h.hostname,
        CASE WHEN h.renamed_at > now() - interval '1 day' THEN nullif(h.hostname_before, '') END)
        || ' (agents started as ' || s.boot || ' and ' || s.boots_before[1] || '): give each an id of its own'
    WHEN s.degraded <> '' THEN s.degraded
    WHEN s.behind AND EXISTS (
      SELECT FROM fleet.dead_letters AS l
      WHERE l.subject = 'drift.v1.inventory.' || h.site || '.' || h.host
        AND l.received_at > coalesce(s.changed_at, '-infinity')
    ) THEN 'its newest inventory is not stored: it was refused, and ops.dead_letters says why'
    WHEN s.behind THEN 'its newest inventory is not stored: it is on its way'
    WHEN s.content IS NULL THEN 'it has told no images yet'
  END) COLLATE "default" AS degraded,
  s.changed_at, h.first_seen_at, h.skipped
FROM fleet.hosts AS h
JOIN fleet.host_state AS s ON s.host_id = h.host_id
LEFT JOIN LATERAL (
  SELECT
    count(*) FILTER (WHERE c.verdict = 'outdated') AS outdated,
    count(*) FILTER (WHERE c.verdict = 'unknown') AS unknown
  FROM fleet.host_images AS hi
  JOIN fleet.comparisons AS c ON c.comparison_id = hi.comparison_id
  WHERE hi.host_id = h.host_id
) AS n ON true
WHERE s.counts;
COMMENT ON COLUMN ops.hosts.skipped IS 'How many images and containers it does not report in full, by reason; {} when none.';
-- migrate: rollback
-- Forward only.
