-- Which version an image is: by its own labels, and of what its tag points to now
-- depends: 0020_digests
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '10min';

-- Null where the image has no such label, or no agent of now has told of it. They belong to the image
-- id, and are no part of the identity: no row is made for them.
ALTER TABLE fleet.comparisons
  ADD COLUMN facts jsonb CHECK (jsonb_typeof(facts) = 'object' AND octet_length(facts::text) <= 4096);
COMMENT ON COLUMN fleet.comparisons.facts IS 'Its version, revision, source, base_name and base_digest, by its labels; null when none is known.';

CREATE TABLE fleet.image_facts (
  digest text COLLATE "C" NOT NULL CHECK (fleet.is_digest(digest)),
  platform text COLLATE "C" NOT NULL CHECK (octet_length(platform) <= 1000),
  version text,
  revision text,
  source text,
  base_name text,
  base_digest text COLLATE "C" CHECK (fleet.is_digest(base_digest)),
  built_at timestamptz CHECK (isfinite(built_at)),
  read_at timestamptz NOT NULL CHECK (isfinite(read_at)),
  PRIMARY KEY (digest, platform),
  CHECK (octet_length(concat(version, revision, source, base_name)) <= 1024)
);
COMMENT ON TABLE fleet.image_facts IS 'What the configurations of the images say that a digest holds. True for ever.';
COMMENT ON COLUMN fleet.image_facts.digest IS 'The digest that a tag points to.';
COMMENT ON COLUMN fleet.image_facts.platform IS 'The platform whose image it is; empty where the digest is of one image alone.';
COMMENT ON COLUMN fleet.image_facts.version IS 'Its version, by its label.';
COMMENT ON COLUMN fleet.image_facts.revision IS 'What it was built from, by its label.';
COMMENT ON COLUMN fleet.image_facts.source IS 'Where its sources are, by its label.';
COMMENT ON COLUMN fleet.image_facts.base_name IS 'The image that it was built on, by its label.';
COMMENT ON COLUMN fleet.image_facts.base_digest IS 'The digest of that image, by its label.';
COMMENT ON COLUMN fleet.image_facts.built_at IS 'When it was built, as its configuration says.';
COMMENT ON COLUMN fleet.image_facts.read_at IS 'When it was read.';


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
  ) END AS version_inherited
FROM fleet.host_images AS hi
JOIN fleet.comparisons AS c ON c.comparison_id = hi.comparison_id
LEFT JOIN fleet.image_refs AS r ON r.ref_id = c.ref_id
LEFT JOIN fleet.answers AS a ON a.ref_id = c.ref_id
LEFT JOIN fleet.descriptions AS d ON d.digest = a.remote_digest
LEFT JOIN fleet.hosts AS h ON h.host_id = hi.host_id;
COMMENT ON COLUMN ops.comparisons.local_version IS 'Version of the image on the host, by its label; null when it has none.';
COMMENT ON COLUMN ops.comparisons.remote_version IS 'Version of the image that the tag points to now, by its label; null when it has none, or was not read.';
COMMENT ON COLUMN ops.comparisons.remote_built_at IS 'When the image that the tag points to now was built, as it says itself.';
COMMENT ON COLUMN ops.comparisons.source IS 'Where the sources of the image are that the tag points to now, by its label; else of the one on the host.';
COMMENT ON COLUMN ops.comparisons.version_inherited IS 'Whether the version on the host is only that of the image that it was built on; null when that cannot be told.';

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
  ) END AS version_inherited
FROM fleet.host_images AS hi
JOIN fleet.comparisons AS c ON c.comparison_id = hi.comparison_id
LEFT JOIN fleet.image_refs AS r ON r.ref_id = c.ref_id
LEFT JOIN fleet.answers AS a ON a.ref_id = c.ref_id
LEFT JOIN fleet.descriptions AS d ON d.digest = a.remote_digest
LEFT JOIN fleet.hosts AS h ON h.host_id = hi.host_id
WHERE c.verdict = 'outdated';
COMMENT ON COLUMN ops.outdated.local_version IS 'Version of the image on the host, by its label; null when it has none.';
COMMENT ON COLUMN ops.outdated.remote_version IS 'Version of the image that the tag points to now, by its label; null when it has none, or was not read.';
COMMENT ON COLUMN ops.outdated.remote_built_at IS 'When the image that the tag points to now was built, as it says itself.';
COMMENT ON COLUMN ops.outdated.source IS 'Where the sources of the image are that the tag points to now, by its label; else of the one on the host.';
COMMENT ON COLUMN ops.outdated.version_inherited IS 'Whether the version on the host is only that of the image that it was built on; null when that cannot be told.';

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
  (SELECT f.source FROM fleet.image_facts AS f WHERE f.digest = a.remote_digest AND f.source IS NOT NULL ORDER BY f.platform LIMIT 1) AS source
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
COMMENT ON COLUMN ops.images.remote_version IS 'Version of the image that the tag points to now, by its label; of its first platform where they differ.';
COMMENT ON COLUMN ops.images.remote_built_at IS 'When that image was built, as it says itself.';
COMMENT ON COLUMN ops.images.source IS 'Where its sources are, by its label.';
-- migrate: rollback
-- Forward only.
