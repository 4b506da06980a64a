-- The tags of repositories, and which of them are newer than what hosts run
-- depends: 0022_decisions
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '10min';

CREATE TABLE fleet.tag_lists (
  list_id bigint PRIMARY KEY DEFAULT fleet.new_key(),
  registry text COLLATE "C" NOT NULL CHECK (octet_length(registry) BETWEEN 1 AND 300),
  repository text COLLATE "C" NOT NULL CHECK (octet_length(repository) BETWEEN 1 AND 300),
  epoch bigint NOT NULL DEFAULT 0,
  seq bigint NOT NULL DEFAULT 0,
  tracks jsonb CHECK (jsonb_typeof(tracks) = 'array' AND octet_length(tracks::text) <= 65536),
  names integer NOT NULL DEFAULT 0 CHECK (names >= 0),
  cut boolean NOT NULL DEFAULT false,
  truncated text COLLATE "C" NOT NULL DEFAULT '' CHECK (truncated IN ('', 'pages', 'bytes', 'time', 'failed')),
  listed_at timestamptz CHECK (isfinite(listed_at)),
  changed_at timestamptz CHECK (isfinite(changed_at)),
  attempted_at timestamptz CHECK (isfinite(attempted_at)),
  failure text COLLATE "C" CHECK (failure IN (
    'missing', 'denied', 'limited', 'unreachable', 'refused', 'unsupported', 'invalid')),
  error text CHECK (octet_length(error) <= 8000),
  failures integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
  failing_since timestamptz CHECK (isfinite(failing_since)),
  asked_at timestamptz CHECK (isfinite(asked_at)),
  next_list_at timestamptz CHECK (isfinite(next_list_at)),
  weight integer NOT NULL DEFAULT 0 CHECK (weight >= 0),
  UNIQUE (registry, repository),
  CHECK ((tracks IS NULL) = (listed_at IS NULL)),
  CHECK ((tracks IS NULL) = (changed_at IS NULL)),
  CHECK ((failure IS NULL) = (failing_since IS NULL)),
  -- A list that could not be read says of no version that nothing is newer (P11).
  CHECK (failure IS NULL OR truncated = 'failed')
);
CREATE INDEX tag_lists_due_idx ON fleet.tag_lists (next_list_at) WHERE next_list_at IS NOT NULL;
COMMENT ON TABLE fleet.tag_lists IS 'The tags of each repository that tell newer versions, as its registry listed them last.';
COMMENT ON COLUMN fleet.tag_lists.list_id IS 'Key, never given again.';
COMMENT ON COLUMN fleet.tag_lists.registry IS 'The registry.';
COMMENT ON COLUMN fleet.tag_lists.repository IS 'The repository.';
COMMENT ON COLUMN fleet.tag_lists.epoch IS 'When the bucket of the newest list was created, in microseconds.';
COMMENT ON COLUMN fleet.tag_lists.seq IS 'Place of the newest list in the bucket: see fleet.order_of.';
COMMENT ON COLUMN fleet.tag_lists.tracks IS 'One object per track: names, and whether it is whole. Kept through failures.';
COMMENT ON COLUMN fleet.tag_lists.names IS 'How many tags were seen.';
COMMENT ON COLUMN fleet.tag_lists.cut IS 'Whether tracks were left out for room.';
COMMENT ON COLUMN fleet.tag_lists.truncated IS 'Why the list was not read to its end; empty when it was.';
COMMENT ON COLUMN fleet.tag_lists.listed_at IS 'When the tracks were read.';
COMMENT ON COLUMN fleet.tag_lists.changed_at IS 'When they were last read with other names than before.';
COMMENT ON COLUMN fleet.tag_lists.attempted_at IS 'When it was last tried.';
COMMENT ON COLUMN fleet.tag_lists.failure IS 'Kind of failure of the last try; null when nothing failed.';
COMMENT ON COLUMN fleet.tag_lists.error IS 'What was wrong, in words.';
COMMENT ON COLUMN fleet.tag_lists.failures IS 'How many tries in a row have failed.';
COMMENT ON COLUMN fleet.tag_lists.failing_since IS 'When the first of them was.';
COMMENT ON COLUMN fleet.tag_lists.asked_at IS 'When the question was last published.';
COMMENT ON COLUMN fleet.tag_lists.next_list_at IS 'When it is due; null while no host runs a version of the repository.';
COMMENT ON COLUMN fleet.tag_lists.weight IS 'Hosts that run versions of it, when these were last counted: due lists are asked in this order.';

-- Made by ingest some seconds after the reference, as SQL cannot read tags. One whose tag tells no
-- version has a row, too, so that it is read once.
CREATE TABLE fleet.versions (
  ref_id bigint PRIMARY KEY REFERENCES fleet.image_refs ON DELETE CASCADE,
  list_id bigint REFERENCES fleet.tag_lists,
  track text COLLATE "C" CHECK (octet_length(track) <= 300),
  version text COLLATE "C" CHECK (octet_length(version) <= 128),
  is_compared boolean NOT NULL DEFAULT false,
  is_whole boolean NOT NULL DEFAULT false,
  behind integer CHECK (behind >= 0),
  CHECK ((list_id IS NULL) = (track IS NULL) AND (list_id IS NULL) = (version IS NULL)),
  CHECK (is_compared OR (NOT is_whole AND behind IS NULL)),
  -- Nothing is newer: only a whole track of a list that was read to its end says so (P11).
  CHECK (is_whole OR behind IS NULL OR behind > 0)
);
CREATE INDEX versions_list_idx ON fleet.versions (list_id) WHERE list_id IS NOT NULL;
COMMENT ON TABLE fleet.versions IS 'The version that the tag of a reference tells, and how it stands in the list of its repository.';
COMMENT ON COLUMN fleet.versions.ref_id IS 'The reference.';
COMMENT ON COLUMN fleet.versions.list_id IS 'The list of its repository; null when the tag tells no version.';
COMMENT ON COLUMN fleet.versions.track IS 'The parts of the tag that comparable versions have in common.';
COMMENT ON COLUMN fleet.versions.version IS 'The numbers in the tag, and its pre-release.';
COMMENT ON COLUMN fleet.versions.is_compared IS 'Whether the row is by the present list: only what hosts have is compared.';
COMMENT ON COLUMN fleet.versions.is_whole IS 'Whether the list lacks no name of the track: a step without a row in fleet.newer has none then, and is unknown otherwise.';
COMMENT ON COLUMN fleet.versions.behind IS 'How many newer versions were seen; null when that is not known.';

CREATE TABLE fleet.newer (
  ref_id bigint NOT NULL REFERENCES fleet.versions ON DELETE CASCADE,
  step text COLLATE "C" NOT NULL CHECK (step IN ('patch', 'minor', 'major')),
  candidate_ref_id bigint NOT NULL REFERENCES fleet.image_refs,
  state text COLLATE "C" NOT NULL CHECK (state IN ('unresolved', 'newer', 'same_image', 'missing', 'failed')),
  since timestamptz CHECK (isfinite(since)),
  PRIMARY KEY (ref_id, step),
  CHECK (ref_id <> candidate_ref_id),
  CHECK (state <> 'newer' OR since IS NOT NULL)
);
CREATE INDEX newer_candidate_idx ON fleet.newer (candidate_ref_id);
COMMENT ON TABLE fleet.newer IS 'The newest tag of each step for references that hosts have: at most three rows each. A candidate is asked like any reference.';
COMMENT ON COLUMN fleet.newer.ref_id IS 'The reference.';
COMMENT ON COLUMN fleet.newer.step IS 'patch: of the same major and minor part; minor: of the same major part; major: of a higher one.';
COMMENT ON COLUMN fleet.newer.candidate_ref_id IS 'The reference with the newest tag of the step.';
COMMENT ON COLUMN fleet.newer.state IS 'newer, or same_image, once its registry told what the candidate is; unresolved before. missing and failed: not known.';
COMMENT ON COLUMN fleet.newer.since IS 'When the registry was first seen to have a newer image in this step: no later candidate changes it.';

-- An image that was built on its host is asked of no registry, nor is its repository (P2): such a
-- reference is not due. `unused_since` is not looked at, as it lags behind by up to an hour.
CREATE VIEW fleet.used_versions AS
SELECT v.ref_id, v.list_id, v.is_compared, r.reference, r.registry, r.repository, r.tag, a.weight
FROM fleet.versions AS v
JOIN fleet.answers AS a ON a.ref_id = v.ref_id
JOIN fleet.image_refs AS r ON r.ref_id = v.ref_id
WHERE v.list_id IS NOT NULL AND r.policy = 'ask' AND a.hosts > 0 AND a.next_check_at IS NOT NULL
  AND EXISTS (
    SELECT FROM fleet.comparisons AS c
    WHERE c.ref_id = v.ref_id AND c.repo_digests <> '{}'
  );
COMMENT ON VIEW fleet.used_versions IS 'References that tell a version and that hosts have an image of which was pulled.';
COMMENT ON COLUMN fleet.used_versions.ref_id IS 'The reference.';
COMMENT ON COLUMN fleet.used_versions.list_id IS 'The list of its repository.';
COMMENT ON COLUMN fleet.used_versions.is_compared IS 'Whether it was compared with the present list.';
COMMENT ON COLUMN fleet.used_versions.reference IS 'Its name.';
COMMENT ON COLUMN fleet.used_versions.registry IS 'The registry.';
COMMENT ON COLUMN fleet.used_versions.repository IS 'The repository.';
COMMENT ON COLUMN fleet.used_versions.tag IS 'The tag.';
COMMENT ON COLUMN fleet.used_versions.weight IS 'Hosts that ran it when that was last counted.';

CREATE VIEW fleet.newest AS
SELECT
  v.ref_id, v.list_id, v.version, v.track,
  CASE WHEN p.state = 'newer' THEN p.tag END AS newest_patch,
  CASE WHEN m.state = 'newer' THEN m.tag END AS newest_minor,
  CASE WHEN j.state = 'newer' THEN j.tag END AS newest_major,
  CASE WHEN w.is_whole THEN v.behind ELSE nullif(v.behind, 0) END AS behind,
  CASE WHEN p.state IN ('newer', 'same_image') THEN p.state WHEN p.state IS NULL AND w.is_whole THEN 'none' ELSE 'unknown' END AS patch_state,
  CASE WHEN m.state IN ('newer', 'same_image') THEN m.state WHEN m.state IS NULL AND w.is_whole THEN 'none' ELSE 'unknown' END AS minor_state,
  CASE WHEN j.state IN ('newer', 'same_image') THEN j.state WHEN j.state IS NULL AND w.is_whole THEN 'none' ELSE 'unknown' END AS major_state,
  l.listed_at, l.next_list_at, nullif(l.truncated, '') AS truncated, l.error, l.names
FROM fleet.versions AS v
JOIN fleet.tag_lists AS l ON l.list_id = v.list_id
CROSS JOIN LATERAL (SELECT v.is_whole AND l.failure IS NULL AND l.truncated = '' AS is_whole) AS w
LEFT JOIN (
  SELECT n.ref_id, n.state, r.tag FROM fleet.newer AS n JOIN fleet.image_refs AS r ON r.ref_id = n.candidate_ref_id WHERE n.step = 'patch'
) AS p ON p.ref_id = v.ref_id
LEFT JOIN (
  SELECT n.ref_id, n.state, r.tag FROM fleet.newer AS n JOIN fleet.image_refs AS r ON r.ref_id = n.candidate_ref_id WHERE n.step = 'minor'
) AS m ON m.ref_id = v.ref_id
LEFT JOIN (
  SELECT n.ref_id, n.state, r.tag FROM fleet.newer AS n JOIN fleet.image_refs AS r ON r.ref_id = n.candidate_ref_id WHERE n.step = 'major'
) AS j ON j.ref_id = v.ref_id;
COMMENT ON VIEW fleet.newest IS 'What is newer than the version of a reference, by reference.';
COMMENT ON COLUMN fleet.newest.ref_id IS 'The reference.';
COMMENT ON COLUMN fleet.newest.list_id IS 'The list of its repository.';

CREATE VIEW ops.versions AS
SELECT
  r.reference, v.version, v.newest_patch, v.newest_minor, v.newest_major, v.behind,
  v.listed_at, v.next_list_at, v.truncated, v.error,
  n.hosts + coalesce(s.hosts, 0) AS hosts,
  n.running_hosts + coalesce(s.running_hosts, 0) AS running_hosts,
  v.track, v.patch_state, v.minor_state, v.major_state, r.registry, r.repository, r.tag, v.names
FROM fleet.newest AS v
JOIN (
  SELECT c.ref_id, sum(u.hosts - u.shared) AS hosts, sum(u.running - u.shared_running) AS running_hosts
  FROM fleet.usage AS u
  JOIN fleet.comparisons AS c ON c.comparison_id = u.comparison_id
  WHERE u.hosts > 0 AND c.repo_digests <> '{}'
  GROUP BY c.ref_id
) AS n ON n.ref_id = v.ref_id
LEFT JOIN (
  SELECT p.ref_id, count(*) AS hosts, count(*) FILTER (WHERE p.running) AS running_hosts
  FROM (
    SELECT c.ref_id, hi.host_id, bool_or(hi.running > 0) AS running
    FROM fleet.host_images AS hi
    JOIN fleet.comparisons AS c ON c.comparison_id = hi.comparison_id
    WHERE hi.shared
    GROUP BY c.ref_id, hi.host_id
  ) AS p
  GROUP BY p.ref_id
) AS s ON s.ref_id = n.ref_id
JOIN fleet.image_refs AS r ON r.ref_id = v.ref_id
WHERE r.policy = 'ask';
COMMENT ON VIEW ops.versions IS 'Every reference that hosts have whose tag tells a version, and what is newer in its repository. No verdict depends on it.';
COMMENT ON COLUMN ops.versions.reference IS 'The reference.';
COMMENT ON COLUMN ops.versions.hosts IS 'Hosts that have it.';
COMMENT ON COLUMN ops.versions.running_hosts IS 'Of these, hosts with a running container of it.';
COMMENT ON COLUMN ops.versions.registry IS 'The registry.';
COMMENT ON COLUMN ops.versions.repository IS 'The repository.';
COMMENT ON COLUMN ops.versions.tag IS 'The tag.';
DO $$
DECLARE
  said record;
BEGIN
  FOR said IN
    SELECT v.table_schema, v.table_name, v.column_name, w.words
    FROM information_schema.columns AS v
    JOIN (VALUES
      ('version', 'The version that the tag tells: its numbers, and its pre-release.'),
      ('newest_patch', 'The newest tag of the same track with the same major and minor part; null when there is none, or none is known: see patch_state.'),
      ('newest_minor', 'The newest tag of the same track with the same major part and a higher minor one; null when there is none, or none is known: see minor_state.'),
      ('newest_major', 'The newest tag of the same track with a higher major part; null when there is none, or none is known: see major_state.'),
      ('behind', 'How many newer versions its repository has, in all steps; 0: none; null: not known.'),
      ('listed_at', 'When the tags of the repository were last read.'),
      ('next_list_at', 'When they are due to be read again; null while no host runs a version of it.'),
      ('truncated', 'Why the tags were not read to their end: pages, bytes, time or failed; null when they were. Then nothing is said to have no newer version.'),
      ('error', 'Why the last try to read them failed.'),
      ('track', 'The parts of the tag that comparable versions have in common.'),
      ('patch_state', 'newer; same_image: the newest tag is the same image; none: there is no newer tag; unknown: not told yet, or not to be known.'),
      ('minor_state', 'The same for newest_minor.'),
      ('major_state', 'The same for newest_major.'),
      ('names', 'How many tags the repository was seen to have.')
    ) AS w (name, words) ON w.name = v.column_name
    WHERE (v.table_schema, v.table_name) IN (('ops', 'versions'), ('fleet', 'newest'))
  LOOP
    EXECUTE format('COMMENT ON COLUMN %I.%I.%I IS %L', said.table_schema, said.table_name, said.column_name, said.words);
  END LOOP;
END
$$;

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
  v.newest_patch, v.newest_minor, v.newest_major, v.behind, v.truncated AS list_truncated
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
COMMENT ON COLUMN ops.images.newest_patch IS 'The newest tag of the same version in all but its last parts; null when none is known: see ops.versions.';
COMMENT ON COLUMN ops.images.newest_minor IS 'The newest tag of the same major version; null when none is known.';
COMMENT ON COLUMN ops.images.newest_major IS 'The newest tag of a higher major version; null when none is known.';
COMMENT ON COLUMN ops.images.behind IS 'How many newer versions its repository has; null when that is not known, or the tag tells no version.';
COMMENT ON COLUMN ops.images.list_truncated IS 'Why the tags of the repository were not read to their end; null when they were.';

-- A candidate that no host has fails for nobody: what it is wanted for says so in ops.versions.
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
  AND NOT (a.hosts = 0 AND EXISTS (SELECT FROM fleet.newer AS n WHERE n.candidate_ref_id = a.ref_id));
-- migrate: rollback
-- Forward only.
