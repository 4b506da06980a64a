-- Whether the image that another was built on has been replaced: asked like a reference, once for the fleet
-- depends: 0029_fleet_counts
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '10min';

-- One row for each base that labels name, however many images and hosts have it.
CREATE TABLE fleet.bases (
  base_id bigint PRIMARY KEY DEFAULT fleet.new_key(),
  name text COLLATE "C" NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 256),
  digest text COLLATE "C" NOT NULL CHECK (fleet.is_digest(digest)),
  platform text COLLATE "C" NOT NULL CHECK (octet_length(platform) <= 1000),
  ref_id bigint REFERENCES fleet.image_refs,
  not_asked text COLLATE "C" CHECK (not_asked IN ('short_name', 'by_digest', 'bad_name', 'quota')),
  state text COLLATE "C" NOT NULL DEFAULT 'unresolved'
    CHECK (state IN ('unresolved', 'newer', 'same_image', 'missing', 'failed')),
  judged_digest text COLLATE "C" CHECK (fleet.is_digest(judged_digest)),
  read_at timestamptz NOT NULL DEFAULT now() CHECK (isfinite(read_at)),
  unused_since timestamptz CHECK (isfinite(unused_since)),
  UNIQUE (name, digest, platform),
  CHECK ((ref_id IS NULL) = (not_asked IS NOT NULL)),
  -- Nothing is said of a base without an answer.
  CHECK (state = 'unresolved' OR judged_digest IS NOT NULL)
);
CREATE INDEX bases_ref_idx ON fleet.bases (ref_id) WHERE ref_id IS NOT NULL;
CREATE INDEX bases_unused_idx ON fleet.bases (unused_since) WHERE unused_since IS NOT NULL;
COMMENT ON TABLE fleet.bases IS 'The images that others were built on, as labels name them, and whether their tags point to others now.';
COMMENT ON COLUMN fleet.bases.base_id IS 'Key, never given again.';
COMMENT ON COLUMN fleet.bases.name IS 'Its name, as the label has it.';
COMMENT ON COLUMN fleet.bases.digest IS 'The digest that the name had when the image was built, as its label says.';
COMMENT ON COLUMN fleet.bases.platform IS 'The platform of the images that were built on it.';
COMMENT ON COLUMN fleet.bases.ref_id IS 'The reference that is asked.';
COMMENT ON COLUMN fleet.bases.not_asked IS 'Why none is: its name has no registry, is a digest, or none at all; or its host brought too many.';
COMMENT ON COLUMN fleet.bases.state IS 'newer: the tag has another image for the platform; same_image: it has this one; missing: none; failed and unresolved: not known.';
COMMENT ON COLUMN fleet.bases.judged_digest IS 'The digest that the tag pointed to when that was told: of another one nothing is said.';
COMMENT ON COLUMN fleet.bases.read_at IS 'When the name was read.';
COMMENT ON COLUMN fleet.bases.unused_since IS 'Since when no image in use was built on it, or bases are not followed; null: it is asked.';

-- By which grammar tags were read: another one may read versions in other tags, and in other tracks.
ALTER TABLE fleet.versions ADD COLUMN grammar integer NOT NULL DEFAULT 1;
ALTER TABLE fleet.tag_lists ADD COLUMN grammar integer NOT NULL DEFAULT 1;
COMMENT ON COLUMN fleet.versions.grammar IS 'By which grammar the tag was read: it is read again by another one.';
COMMENT ON COLUMN fleet.tag_lists.grammar IS 'By which grammar its tracks were cut, or held to be whole no more.';
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX versions_grammar_idx ON fleet.versions (grammar);

-- Few images have such labels, and their hosts bring them once.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX comparisons_base_idx ON fleet.comparisons ((facts ->> 'base_name'), (facts ->> 'base_digest'), platform)
WHERE facts ? 'base_digest' AND unused_since IS NULL;

CREATE VIEW fleet.candidates AS
SELECT candidate_ref_id AS ref_id FROM fleet.newer
UNION ALL
SELECT ref_id FROM fleet.bases WHERE ref_id IS NOT NULL AND unused_since IS NULL;
COMMENT ON VIEW fleet.candidates IS 'References that are asked though no host may have them: newer versions, and bases. May name one twice.';
COMMENT ON COLUMN fleet.candidates.ref_id IS 'The reference.';

-- A failure, or a base that is asked no more, never says that a base is current.
CREATE VIEW fleet.base_states AS
SELECT
  b.name, b.digest, b.platform,
  CASE
    WHEN b.unused_since IS NOT NULL OR r.policy <> 'ask' OR a.gone OR a.remote_digest IS DISTINCT FROM b.judged_digest THEN NULL
    WHEN b.state = 'newer' THEN true
    WHEN b.state = 'same_image' AND a.failure IS NULL AND a.next_check_at IS NOT NULL THEN false
  END AS is_outdated,
  coalesce(a.checked_at, a.attempted_at) AS checked_at,
  CASE
    WHEN b.not_asked = 'short_name' THEN 'never asked: the label names no registry'
    WHEN b.not_asked = 'by_digest' THEN 'never asked: the label names no tag, and a digest does not move'
    WHEN b.not_asked = 'bad_name' THEN 'never asked: the label is no reference'
    WHEN b.not_asked = 'quota' THEN 'not asked before tomorrow: its host brought too many names today'
    WHEN r.policy = 'machine_bound' THEN 'the registry''s name means another machine on every host: never asked centrally'
    WHEN b.unused_since IS NOT NULL OR a.next_check_at IS NULL THEN 'bases are not followed (IMAGEDRIFT_BASES), or this one was not looked at yet'
    WHEN a.error IS NOT NULL THEN a.error
    WHEN a.remote_digest IS NULL THEN 'not answered yet'
    WHEN a.remote_digest IS DISTINCT FROM b.judged_digest OR b.state = 'unresolved' THEN 'not compared yet'
    WHEN b.state = 'missing' THEN 'the tag has no image for this platform'
    WHEN b.state = 'failed' THEN coalesce((SELECT d.error FROM fleet.descriptions AS d WHERE d.digest = a.remote_digest), 'the digest could not be described')
    ELSE ''
  END AS error
FROM fleet.bases AS b
LEFT JOIN fleet.image_refs AS r ON r.ref_id = b.ref_id
LEFT JOIN fleet.answers AS a ON a.ref_id = b.ref_id;
COMMENT ON VIEW fleet.base_states IS 'Whether the image that others were built on was replaced, by its labels and their platform.';
COMMENT ON COLUMN fleet.base_states.name IS 'Its name, as the label has it.';
COMMENT ON COLUMN fleet.base_states.digest IS 'Its digest, as the label has it.';
COMMENT ON COLUMN fleet.base_states.platform IS 'The platform.';
COMMENT ON COLUMN fleet.base_states.is_outdated IS 'Whether the tag has another image for the platform now; null: not known.';
COMMENT ON COLUMN fleet.base_states.checked_at IS 'When its registry last answered.';
COMMENT ON COLUMN fleet.base_states.error IS 'Why that is not known, or not known any better; empty: it is known.';

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
  coalesce((hi.own ->> 'size')::bigint, c.size_bytes) AS size,
  CASE WHEN hi.own ? 'created_at' THEN (hi.own ->> 'created_at')::timestamptz ELSE c.created_at END AS created_at,
  h.place, hi.tagged, hi.since AS on_host_since,
  c.manifest_digest, c.by_digest,
  c.facts ->> 'version' AS local_version,
  (SELECT f.version FROM fleet.image_facts AS f WHERE f.digest = a.remote_digest AND f.platform IN (c.platform, '') ORDER BY f.platform DESC LIMIT 1) AS remote_version,
  (SELECT f.built_at FROM fleet.image_facts AS f WHERE f.digest = a.remote_digest AND f.platform IN (c.platform, '') ORDER BY f.platform DESC LIMIT 1) AS remote_built_at,
  coalesce(
    (SELECT f.source FROM fleet.image_facts AS f WHERE f.digest = a.remote_digest AND f.platform IN (c.platform, '') ORDER BY f.platform DESC LIMIT 1),
    c.facts ->> 'source') AS source,
  CASE WHEN c.facts ? 'version' THEN (
    SELECT (f.version, f.source) IS NOT DISTINCT FROM (c.facts ->> 'version', c.facts ->> 'source')
    FROM fleet.image_facts AS f
    WHERE f.digest = c.facts ->> 'base_digest' AND f.platform IN (c.platform, '')
    ORDER BY f.platform DESC
    LIMIT 1
  ) END AS version_inherited,
  c.facts ->> 'base_name' AS base_name,
  CASE WHEN c.facts ? 'base_name' THEN (
    SELECT s.is_outdated FROM fleet.base_states AS s
    WHERE s.name = c.facts ->> 'base_name' AND s.digest = c.facts ->> 'base_digest' AND s.platform = c.platform
  ) END AS base_outdated,
  CASE WHEN c.facts ? 'base_name' THEN (
    SELECT s.checked_at FROM fleet.base_states AS s
    WHERE s.name = c.facts ->> 'base_name' AND s.digest = c.facts ->> 'base_digest' AND s.platform = c.platform
  ) END AS base_checked_at,
  CASE WHEN c.facts ? 'base_name' THEN nullif(coalesce((
    SELECT s.error FROM fleet.base_states AS s
    WHERE s.name = c.facts ->> 'base_name' AND s.digest = c.facts ->> 'base_digest' AND s.platform = c.platform
  ), CASE
    WHEN c.facts ? 'base_digest' THEN 'bases are not followed (IMAGEDRIFT_BASES), or this one was not looked at yet'
    ELSE 'no label tells the digest of the base'
  END), '') END AS base_error
FROM fleet.host_images AS hi
JOIN fleet.comparisons AS c ON c.comparison_id = hi.comparison_id
LEFT JOIN fleet.image_refs AS r ON r.ref_id = c.ref_id
LEFT JOIN fleet.answers AS a ON a.ref_id = c.ref_id
LEFT JOIN fleet.descriptions AS d ON d.digest = a.remote_digest
LEFT JOIN fleet.hosts AS h ON h.host_id = hi.host_id;

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
  coalesce((hi.own ->> 'size')::bigint, c.size_bytes) AS size,
  CASE WHEN hi.own ? 'created_at' THEN (hi.own ->> 'created_at')::timestamptz ELSE c.created_at END AS created_at,
  now() - greatest(c.verdict_since, hi.since) AS outdated_for,
  hi.shared AND NOT hi.tagged AND NOT c.by_digest AND EXISTS (
    SELECT FROM fleet.host_images AS other
    JOIN fleet.comparisons AS new ON new.comparison_id = other.comparison_id
    WHERE other.host_id = hi.host_id AND other.tagged AND new.ref_id = c.ref_id
      AND new.verdict = 'current' AND new.platform = c.platform
  ) AS recreate_only,
  h.place, hi.tagged, hi.since AS on_host_since,
  c.manifest_digest, c.by_digest,
  c.facts ->> 'version' AS local_version,
  (SELECT f.version FROM fleet.image_facts AS f WHERE f.digest = a.remote_digest AND f.platform IN (c.platform, '') ORDER BY f.platform DESC LIMIT 1) AS remote_version,
  (SELECT f.built_at FROM fleet.image_facts AS f WHERE f.digest = a.remote_digest AND f.platform IN (c.platform, '') ORDER BY f.platform DESC LIMIT 1) AS remote_built_at,
  coalesce(
    (SELECT f.source FROM fleet.image_facts AS f WHERE f.digest = a.remote_digest AND f.platform IN (c.platform, '') ORDER BY f.platform DESC LIMIT 1),
    c.facts ->> 'source') AS source,
  CASE WHEN c.facts ? 'version' THEN (
    SELECT (f.version, f.source) IS NOT DISTINCT FROM (c.facts ->> 'version', c.facts ->> 'source')
    FROM fleet.image_facts AS f
    WHERE f.digest = c.facts ->> 'base_digest' AND f.platform IN (c.platform, '')
    ORDER BY f.platform DESC
    LIMIT 1
  ) END AS version_inherited,
  c.facts ->> 'base_name' AS base_name,
  CASE WHEN c.facts ? 'base_name' THEN (
    SELECT s.is_outdated FROM fleet.base_states AS s
    WHERE s.name = c.facts ->> 'base_name' AND s.digest = c.facts ->> 'base_digest' AND s.platform = c.platform
  ) END AS base_outdated,
  CASE WHEN c.facts ? 'base_name' THEN (
    SELECT s.checked_at FROM fleet.base_states AS s
    WHERE s.name = c.facts ->> 'base_name' AND s.digest = c.facts ->> 'base_digest' AND s.platform = c.platform
  ) END AS base_checked_at,
  CASE WHEN c.facts ? 'base_name' THEN nullif(coalesce((
    SELECT s.error FROM fleet.base_states AS s
    WHERE s.name = c.facts ->> 'base_name' AND s.digest = c.facts ->> 'base_digest' AND s.platform = c.platform
  ), CASE
    WHEN c.facts ? 'base_digest' THEN 'bases are not followed (IMAGEDRIFT_BASES), or this one was not looked at yet'
    ELSE 'no label tells the digest of the base'
  END), '') END AS base_error
FROM fleet.host_images AS hi
JOIN fleet.comparisons AS c ON c.comparison_id = hi.comparison_id
LEFT JOIN fleet.image_refs AS r ON r.ref_id = c.ref_id
LEFT JOIN fleet.answers AS a ON a.ref_id = c.ref_id
LEFT JOIN fleet.descriptions AS d ON d.digest = a.remote_digest
LEFT JOIN fleet.hosts AS h ON h.host_id = hi.host_id
WHERE c.verdict = 'outdated';

CREATE OR REPLACE VIEW ops.images AS
SELECT
  r.reference, r.registry, r.repository, r.tag,
  n.hosts + coalesce(s.hosts, 0) AS hosts,
  n.running_hosts + coalesce(s.running_hosts, 0) AS running_hosts,
  n.outdated_hosts + coalesce(s.outdated_hosts, 0) AS outdated_hosts,
  n.variants,
  a.remote_digest, a.remote_since, coalesce(a.checked_at, a.attempted_at) AS checked_at,
  CASE WHEN n.is_asked AND r.policy = 'ask' THEN a.next_check_at END AS next_check_at, a.error,
  (SELECT f.version FROM fleet.image_facts AS f WHERE f.digest = a.remote_digest AND f.version IS NOT NULL ORDER BY f.platform LIMIT 1) AS remote_version,
  (SELECT f.built_at FROM fleet.image_facts AS f WHERE f.digest = a.remote_digest AND f.built_at IS NOT NULL ORDER BY f.platform LIMIT 1) AS remote_built_at,
  (SELECT f.source FROM fleet.image_facts AS f WHERE f.digest = a.remote_digest AND f.source IS NOT NULL ORDER BY f.platform LIMIT 1) AS source,
  v.newest_patch, v.newest_minor, v.newest_major, v.behind, v.truncated AS list_truncated,
  (
    SELECT CASE WHEN bool_or(s.is_outdated) THEN true WHEN bool_and(s.is_outdated IS NOT NULL) THEN false END
    FROM fleet.comparisons AS c
    LEFT JOIN fleet.base_states AS s
      ON s.name = c.facts ->> 'base_name' AND s.digest = c.facts ->> 'base_digest' AND s.platform = c.platform
    WHERE c.ref_id = r.ref_id AND c.facts ? 'base_name' AND c.unused_since IS NULL
  ) AS base_outdated
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
LEFT JOIN fleet.answers AS a ON a.ref_id = n.ref_id
LEFT JOIN fleet.newest AS v ON v.ref_id = n.ref_id;

DO $$
DECLARE
  said record;
BEGIN
  FOR said IN
    SELECT v.name AS view_name, w.name AS column_name, w.words
    FROM (VALUES ('comparisons'), ('outdated')) AS v (name)
    CROSS JOIN (VALUES
      ('base_name', 'The image that it was built on, by its label.'),
      ('base_outdated', 'Whether the registry has another image under the name of the base now. No verdict depends on it; null: not known, see base_error.'),
      ('base_checked_at', 'When the registry last answered about the base.'),
      ('base_error', 'Why base_outdated is null, or why the last check of the base failed.')
    ) AS w (name, words)
  LOOP
    EXECUTE format('COMMENT ON COLUMN ops.%I.%I IS %L', said.view_name, said.column_name, said.words);
  END LOOP;
END
$$;
COMMENT ON COLUMN ops.images.base_outdated IS 'Whether the image that one of its images on hosts was built on has been replaced; null: not known, see base_error in ops.comparisons.';

-- A candidate that no host has fails for nobody: what it is wanted for says so.
CREATE OR REPLACE VIEW ops.lookup_errors AS
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
WHERE a.failing_since IS NOT NULL
  AND NOT (a.hosts = 0 AND EXISTS (SELECT FROM fleet.candidates AS n WHERE n.ref_id = a.ref_id));
-- migrate: rollback
-- Forward only.
