-- A list counts as whole for some time only; hosts share lists and candidates; a step keeps its moment
-- depends: 0026_plans
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '10min';

ALTER TABLE fleet.tag_lists
  ADD COLUMN whole_until timestamptz CHECK (isfinite(whole_until)),
  ADD COLUMN brought_by bigint;
COMMENT ON COLUMN fleet.tag_lists.whole_until IS 'Until when it may say that nothing is newer: a list that is not read any more does not (P11); null: it may not.';
COMMENT ON COLUMN fleet.tag_lists.brought_by IS 'The host that brought the reference of it that most hosts run.';
COMMENT ON COLUMN fleet.tag_lists.weight IS 'About how many hosts run versions of it, when these were last counted; however many tags a host brings, it counts once.';
-- Small tables so far, as lists are new: nobody waits for these indexes.
UPDATE fleet.tag_lists SET whole_until = listed_at + interval '2 days' WHERE failure IS NULL AND truncated = '' AND names > 0;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX tag_lists_out_idx ON fleet.tag_lists (asked_at) WHERE attempted_at IS NULL OR asked_at > attempted_at;

ALTER TABLE fleet.versions
  ADD COLUMN left_out boolean NOT NULL DEFAULT false,
  ADD COLUMN since jsonb CHECK (jsonb_typeof(since) = 'object' AND octet_length(since::text) <= 300),
  -- squawk-ignore constraint-missing-not-valid
  ADD CONSTRAINT versions_left_out_check CHECK (NOT left_out OR (is_compared AND NOT is_whole));
COMMENT ON COLUMN fleet.versions.left_out IS 'Whether it is beyond a limit of its repository or host, so that its candidates are not looked at.';
COMMENT ON COLUMN fleet.versions.since IS 'By step, since when the registry has a newer image, for steps whose row in fleet.newer went: hosts come and go, and the moment stays.';
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX versions_new_idx ON fleet.versions (list_id) WHERE NOT is_compared AND list_id IS NOT NULL;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX newer_open_idx ON fleet.newer (candidate_ref_id) WHERE state IN ('unresolved', 'failed');
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX descriptions_out_idx ON fleet.descriptions (asked_at) WHERE described_at IS NULL OR asked_at > described_at;

ALTER TABLE fleet.host_quotas
  ADD COLUMN candidates integer NOT NULL DEFAULT 0 CHECK (candidates >= 0);
COMMENT ON COLUMN fleet.host_quotas.candidates IS 'How many tags were made to be asked on that day for what it brought: candidates for newer versions.';
COMMENT ON COLUMN fleet.host_quotas.host_id IS 'The host; 0 for what no host is known to have brought.';

CREATE OR REPLACE VIEW fleet.used_versions AS
SELECT
  v.ref_id, v.list_id, v.is_compared, r.reference, r.registry, r.repository, r.tag, a.weight,
  a.brought_by, a.remote_digest IS NOT NULL AS is_found
FROM fleet.versions AS v
JOIN fleet.answers AS a ON a.ref_id = v.ref_id
JOIN fleet.image_refs AS r ON r.ref_id = v.ref_id
WHERE v.list_id IS NOT NULL AND r.policy = 'ask' AND a.hosts > 0 AND a.next_check_at IS NOT NULL
  AND EXISTS (
    SELECT FROM fleet.comparisons AS c
    WHERE c.ref_id = v.ref_id AND c.repo_digests <> '{}'
  );
COMMENT ON COLUMN fleet.used_versions.brought_by IS 'The host that brought it.';
COMMENT ON COLUMN fleet.used_versions.is_found IS 'Whether its registry has ever told a digest of it: else its repository is not listed.';

-- The newest tag of a step is the same image: that, too, says that no image is newer.
CREATE OR REPLACE VIEW fleet.newest AS
SELECT
  v.ref_id, v.list_id, v.version, v.track,
  CASE WHEN p.state = 'newer' THEN p.tag END AS newest_patch,
  CASE WHEN m.state = 'newer' THEN m.tag END AS newest_minor,
  CASE WHEN j.state = 'newer' THEN j.tag END AS newest_major,
  CASE WHEN w.is_whole THEN v.behind ELSE nullif(v.behind, 0) END AS behind,
  CASE WHEN p.state = 'newer' OR (p.state = 'same_image' AND w.is_whole) THEN p.state WHEN p.state IS NULL AND w.is_whole THEN 'none' ELSE 'unknown' END AS patch_state,
  CASE WHEN m.state = 'newer' OR (m.state = 'same_image' AND w.is_whole) THEN m.state WHEN m.state IS NULL AND w.is_whole THEN 'none' ELSE 'unknown' END AS minor_state,
  CASE WHEN j.state = 'newer' OR (j.state = 'same_image' AND w.is_whole) THEN j.state WHEN j.state IS NULL AND w.is_whole THEN 'none' ELSE 'unknown' END AS major_state,
  l.listed_at, l.next_list_at, nullif(l.truncated, '') AS truncated, l.error, l.names,
  l.whole_until, v.left_out
FROM fleet.versions AS v
JOIN fleet.tag_lists AS l ON l.list_id = v.list_id
CROSS JOIN LATERAL (
  SELECT v.is_whole AND l.failure IS NULL AND l.truncated = '' AND coalesce(l.whole_until > now(), false) AS is_whole
) AS w
LEFT JOIN (
  SELECT n.ref_id, n.state, r.tag FROM fleet.newer AS n JOIN fleet.image_refs AS r ON r.ref_id = n.candidate_ref_id WHERE n.step = 'patch'
) AS p ON p.ref_id = v.ref_id
LEFT JOIN (
  SELECT n.ref_id, n.state, r.tag FROM fleet.newer AS n JOIN fleet.image_refs AS r ON r.ref_id = n.candidate_ref_id WHERE n.step = 'minor'
) AS m ON m.ref_id = v.ref_id
LEFT JOIN (
  SELECT n.ref_id, n.state, r.tag FROM fleet.newer AS n JOIN fleet.image_refs AS r ON r.ref_id = n.candidate_ref_id WHERE n.step = 'major'
) AS j ON j.ref_id = v.ref_id;

CREATE OR REPLACE VIEW ops.versions AS
SELECT
  r.reference, v.version, v.newest_patch, v.newest_minor, v.newest_major, v.behind,
  v.listed_at, v.next_list_at, v.truncated, v.error,
  n.hosts + coalesce(s.hosts, 0) AS hosts,
  n.running_hosts + coalesce(s.running_hosts, 0) AS running_hosts,
  v.track, v.patch_state, v.minor_state, v.major_state, r.registry, r.repository, r.tag, v.names,
  v.whole_until, v.left_out
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
    WHERE hi.shared AND c.repo_digests <> '{}'
    GROUP BY c.ref_id, hi.host_id
  ) AS p
  GROUP BY p.ref_id
) AS s ON s.ref_id = n.ref_id
JOIN fleet.image_refs AS r ON r.ref_id = v.ref_id
WHERE r.policy = 'ask';
COMMENT ON COLUMN ops.versions.hosts IS 'Hosts that have it, as it was pulled: builds of their own do not count.';
DO $$
DECLARE
  said record;
BEGIN
  FOR said IN
    SELECT v.table_schema, v.table_name, v.column_name, w.words
    FROM information_schema.columns AS v
    JOIN (VALUES
      ('behind', 'How many newer versions were seen, in all steps: its repository has at least so many; 0: none; null: not known.'),
      ('whole_until', 'Until when the list may say that nothing is newer, unless it is read again; null: it may not.'),
      ('left_out', 'Whether it is beyond a limit: more tags of its repository are in use, or more candidates wanted, than are looked at.'),
      ('patch_state', 'newer; same_image: the newest tag is the same image; none: there is no newer tag; unknown: not told yet, not looked at, or not to be known.')
    ) AS w (name, words) ON w.name = v.column_name
    WHERE (v.table_schema, v.table_name) IN (('ops', 'versions'), ('fleet', 'newest'))
  LOOP
    EXECUTE format('COMMENT ON COLUMN %I.%I.%I IS %L', said.table_schema, said.table_name, said.column_name, said.words);
  END LOOP;
END
$$;
COMMENT ON COLUMN ops.images.behind IS 'How many newer versions were seen: its repository has at least so many; null when that is not known, or the tag tells no version.';
-- migrate: rollback
-- Forward only.
