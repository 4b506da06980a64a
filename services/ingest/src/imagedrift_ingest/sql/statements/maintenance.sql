-- What is done every now and then, by one replica at a time. What removes takes the moment before
-- which things go, and how many at most: it is repeated until there is nothing left.

-- name: moment
-- The database's time: what is kept depends on no other clock.
SELECT now()

-- name: make_months
-- Make partitions for this month and the next ones.
SELECT fleet.make_months($1::integer)

-- name: drop_months
-- Drop partitions after their retention.
SELECT fleet.drop_months($1::timestamptz)

-- name: take_trend
-- Keep the fleet summary, once per five minutes.
INSERT INTO fleet.trend (
  taken_at, hosts, silent_hosts, images, current, outdated, pinned, local, missing, unknown, stale,
  due, overdue, waiting, excused, due_versions, degraded_hosts
)
SELECT
  date_bin('5 minutes', s.as_of, 'epoch'), s.hosts, s.silent_hosts, s.images, s.current, s.outdated,
  s.pinned, s.local, s.missing, s.unknown, s.stale, s.due, s.overdue, s.waiting, s.excused,
  s.due_versions, s.degraded_hosts
FROM ops.fleet_summary AS s
WHERE NOT EXISTS (SELECT FROM fleet.trend AS t WHERE t.taken_at = date_bin('5 minutes', now(), 'epoch'))
ON CONFLICT (taken_at) DO NOTHING

-- name: drop_trend
-- Drop trend rows after their retention.
DELETE FROM fleet.trend WHERE taken_at IN (
  SELECT taken_at FROM fleet.trend WHERE taken_at < $1::timestamptz ORDER BY taken_at LIMIT $2::integer
)

-- name: drop_letters
-- Drop dead letters after their retention.
DELETE FROM fleet.dead_letters WHERE letter_id IN (
  SELECT letter_id FROM fleet.dead_letters WHERE received_at < $1::timestamptz ORDER BY received_at LIMIT $2::integer
)

-- name: drop_changes
-- Drop changed verdicts that could not be published for so long that they are news to nobody.
DELETE FROM fleet.outbox WHERE change_id IN (
  SELECT change_id FROM fleet.outbox WHERE changed_at < $1::timestamptz ORDER BY change_id LIMIT $2::integer
)

-- name: drop_misplaced
-- Drop changes of hosts that no month's partition took, after their retention.
DELETE FROM fleet.host_changes_default WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM fleet.host_changes_default WHERE occurred_at < $1::timestamptz LIMIT $2::integer
))

-- name: drop_registries
-- Drop what is known of registries that were not asked for long: one that is asked is known again.
DELETE FROM fleet.registry_states WHERE (registry, credential) IN (
  SELECT registry, credential FROM fleet.registry_states
  WHERE observed_at < $1::timestamptz
  ORDER BY registry, credential
  LIMIT $2::integer
)

-- name: drop_tags
-- Drop what tags pointed to before. What they point to now is kept however old it is.
DELETE FROM fleet.remote_history WHERE (ref_id, valid_from) IN (
  SELECT ref_id, valid_from FROM fleet.remote_history
  WHERE valid_to < $1::timestamptz
  ORDER BY valid_to
  LIMIT $2::integer
)

-- name: trim_tags
-- Of references that one host alone brought, keep the 50,000 newest changes of each host: its registry
-- may move every tag with every check. Many at once, as each look reads all of them.
WITH brought AS (
  SELECT t.ref_id, t.valid_from, row_number() OVER (PARTITION BY a.brought_by ORDER BY t.valid_to DESC) AS nth
  FROM fleet.remote_history AS t
  JOIN fleet.answers AS a ON a.ref_id = t.ref_id
  WHERE t.valid_to < $1::timestamptz AND a.weight <= 1
)
DELETE FROM fleet.remote_history WHERE (ref_id, valid_from) IN (
  SELECT ref_id, valid_from FROM brought WHERE nth > 50000 LIMIT 50 * $2::integer
)

-- name: drop_quotas
-- Drop what hosts brought on days that are over.
DELETE FROM fleet.host_quotas
WHERE host_id IN (
  SELECT host_id FROM fleet.host_quotas
  WHERE day < ($1::timestamptz AT TIME ZONE 'UTC')::date
  ORDER BY host_id
  LIMIT $2::integer
)

-- name: analyze_grown
-- Take statistics of tables that have doubled, so that statements are planned anew.
SELECT fleet.analyze_grown()

-- name: add_up_usage
-- Add to the totals what changed since, and forget the changes. Only this writes totals, so no two
-- ever wait for one row. A snapshot that sees an image go has seen it come: no total falls below 0.
WITH taken AS (
  DELETE FROM fleet.usage_changes RETURNING comparison_id, hosts, running, shared, shared_running
), summed AS (
  SELECT
    comparison_id, sum(hosts)::integer AS hosts, sum(running)::integer AS running,
    sum(shared)::integer AS shared, sum(shared_running)::integer AS shared_running
  FROM taken
  GROUP BY comparison_id
)
UPDATE fleet.usage_totals AS t SET
  hosts = t.hosts + s.hosts, running = t.running + s.running,
  shared = t.shared + s.shared, shared_running = t.shared_running + s.shared_running
FROM summed AS s
WHERE t.comparison_id = s.comparison_id
  AND (s.hosts, s.running, s.shared, s.shared_running) <> (0, 0, 0, 0)

-- name: count_hosts
-- Note how many hosts have, and run, each reference: due references are asked in that order. What no
-- host has an image of to compare is not due, and what one has is: mostly that is known already. So is
-- a candidate for a newer version; it is asked at once when a host gets it. A host with several images
-- of a reference counts once: else it would have the turns of several hosts. A reference is in the turns
-- of the host that brought it while that runs it, or has it where no host does; else of another one: what
-- one host named first would be behind all else that it names.
WITH several AS MATERIALIZED (
  SELECT p.ref_id, count(*) AS hosts, count(*) FILTER (WHERE p.running) AS running
  FROM (
    SELECT c.ref_id, hi.host_id, bool_or(hi.running > 0) AS running
    FROM fleet.host_images AS hi
    JOIN fleet.comparisons AS c ON c.comparison_id = hi.comparison_id
    WHERE hi.shared
    GROUP BY c.ref_id, hi.host_id
  ) AS p
  GROUP BY p.ref_id
), counted AS MATERIALIZED (
  SELECT
    o.ref_id, o.hosts + coalesce(s.hosts, 0) AS hosts, o.running + coalesce(s.running, 0) AS running, o.wanted
  FROM (
    SELECT
      c.ref_id, sum(u.hosts - u.shared) AS hosts, sum(u.running - u.shared_running) AS running,
      bool_or(u.hosts > 0 AND c.repo_digests <> '{}') AS wanted
    FROM fleet.usage AS u
    JOIN fleet.comparisons AS c ON c.comparison_id = u.comparison_id
    GROUP BY c.ref_id
  ) AS o
  LEFT JOIN several AS s ON s.ref_id = o.ref_id
), candidates AS (
  SELECT DISTINCT ref_id FROM fleet.candidates
), locked AS MATERIALIZED (
  SELECT
    a.ref_id, coalesce(n.hosts, 0) AS hosts, coalesce(n.running, 0) AS running,
    (coalesce(n.wanted, false) OR d.ref_id IS NOT NULL) AND r.policy = 'ask' AS wanted
  FROM fleet.answers AS a
  JOIN fleet.image_refs AS r ON r.ref_id = a.ref_id
  LEFT JOIN counted AS n ON n.ref_id = a.ref_id
  LEFT JOIN candidates AS d ON d.ref_id = a.ref_id
  WHERE (a.hosts, a.weight, a.next_check_at IS NOT NULL)
    IS DISTINCT FROM (
      coalesce(n.hosts, 0), coalesce(n.running, 0),
      (coalesce(n.wanted, false) OR d.ref_id IS NOT NULL) AND r.policy = 'ask')
  ORDER BY a.ref_id
  FOR NO KEY UPDATE OF a
)
UPDATE fleet.answers AS a SET
  hosts = l.hosts, weight = l.running,
  next_check_at = CASE
    WHEN NOT l.wanted THEN NULL
    WHEN a.hosts = 0 AND l.hosts > 0 THEN least(a.next_check_at, now())
    ELSE coalesce(a.next_check_at, now())
  END,
  -- Scalars, not EXISTS: that could be planned as one pass over all images of all hosts.
  brought_by = CASE WHEN l.hosts > 0 THEN coalesce(
    (
      SELECT a.brought_by
      FROM fleet.comparisons AS c
      CROSS JOIN LATERAL (
        SELECT FROM fleet.host_images AS hi
        WHERE hi.host_id = a.brought_by AND hi.comparison_id = c.comparison_id AND (hi.running > 0 OR l.running = 0)
        LIMIT 1
      ) AS its
      WHERE c.ref_id = a.ref_id
      LIMIT 1
    ),
    (
      SELECT other.host_id
      FROM fleet.comparisons AS c
      CROSS JOIN LATERAL (
        SELECT hi.host_id FROM fleet.host_images AS hi
        WHERE hi.comparison_id = c.comparison_id AND (hi.running > 0 OR l.running = 0)
        LIMIT 1
      ) AS other
      WHERE c.ref_id = a.ref_id
      LIMIT 1
    ), a.brought_by)
  ELSE a.brought_by END
FROM locked AS l
WHERE a.ref_id = l.ref_id

-- name: long_silent
-- Hosts that are silent since that moment, a bounded number of them, locked in id order.
SELECT s.host_id, s.images
FROM fleet.host_state AS s
JOIN fleet.hosts AS h ON h.host_id = s.host_id
WHERE h.retired_at IS NULL AND s.last_seen_at < $1::timestamptz
ORDER BY s.host_id
LIMIT $2::integer
FOR NO KEY UPDATE OF s

-- name: lock_host
-- One host, locked as all that give hosts up lock them.
SELECT s.host_id
FROM fleet.host_state AS s
JOIN fleet.hosts AS h ON h.host_id = s.host_id
WHERE h.site = $1::text AND h.host = $2::text AND h.retired_at IS NULL
FOR NO KEY UPDATE OF s

-- name: retire
-- Give hosts up: they have no images any more, and their next inventory counts as a first one.
WITH emptied AS (
  DELETE FROM fleet.host_images WHERE host_id = any($1::bigint[])
), marked AS (
  UPDATE fleet.hosts SET retired_at = $2::timestamptz WHERE host_id = any($1::bigint[])
)
UPDATE fleet.host_state SET content = NULL, about = NULL, images = 0, counts = false WHERE host_id = any($1::bigint[])

-- name: drop_hosts
-- Remove hosts that were given up so long ago, with all that hangs on them. The state is locked
-- first, as by whoever stores an inventory: a host that speaks at this moment stays.
WITH locked AS MATERIALIZED (
  SELECT s.host_id
  FROM fleet.host_state AS s
  JOIN fleet.hosts AS h ON h.host_id = s.host_id
  WHERE h.retired_at < $1::timestamptz AND s.last_seen_at < $1::timestamptz
  ORDER BY s.host_id
  LIMIT $2::integer
  FOR UPDATE OF s SKIP LOCKED
)
DELETE FROM fleet.hosts AS h USING locked AS l WHERE h.host_id = l.host_id AND h.retired_at < $1::timestamptz

-- name: drop_nameless
-- Remove hosts that never told anything: nothing hangs on them.
DELETE FROM fleet.hosts WHERE host_id IN (
  SELECT h.host_id FROM fleet.hosts AS h
  WHERE h.first_seen_at < $1::timestamptz AND NOT EXISTS (SELECT FROM fleet.host_state AS s WHERE s.host_id = h.host_id)
  ORDER BY h.host_id
  LIMIT $2::integer
)

-- name: mark_unused
-- Note since when images are on no host, and which are on one again. Of a large table few rows are to be
-- changed, and no index tells which: so it is read once in a run, $4 rows at a time from $3 on.
WITH looked AS MATERIALIZED (
  SELECT comparison_id, unused_since IS NOT NULL AS is_marked
  FROM fleet.comparisons
  WHERE comparison_id > $3::bigint
  ORDER BY comparison_id
  LIMIT $4::integer
), changes AS MATERIALIZED (
  SELECT comparison_id, sum(hosts) AS hosts FROM fleet.usage_changes GROUP BY comparison_id
), now_used AS MATERIALIZED (
  SELECT l.comparison_id, t.hosts + coalesce(c.hosts, 0) > 0 AS used
  FROM looked AS l
  -- Each by the index: joined, all totals could be read for a few images.
  CROSS JOIN LATERAL (SELECT u.hosts FROM fleet.usage_totals AS u WHERE u.comparison_id = l.comparison_id LIMIT 1) AS t
  LEFT JOIN changes AS c ON c.comparison_id = l.comparison_id
  WHERE (t.hosts + coalesce(c.hosts, 0) > 0) = l.is_marked
  ORDER BY l.comparison_id
  LIMIT $2::integer
), locked AS MATERIALIZED (
  SELECT c.comparison_id, n.used
  FROM now_used AS n
  JOIN fleet.comparisons AS c ON c.comparison_id = n.comparison_id
  WHERE n.used = (c.unused_since IS NOT NULL)
  ORDER BY c.comparison_id
  FOR NO KEY UPDATE OF c
), marked AS (
  UPDATE fleet.comparisons AS c SET unused_since = CASE WHEN NOT l.used THEN $1::timestamptz END
  FROM locked AS l
  WHERE c.comparison_id = l.comparison_id
  RETURNING c.comparison_id
)
SELECT
  (SELECT count(*) FROM marked) AS changed,
  CASE WHEN (SELECT count(*) FROM now_used) < $2::integer THEN (SELECT max(comparison_id) FROM looked)
    ELSE (SELECT max(comparison_id) FROM now_used) END AS looked_to

-- name: drop_unused
-- Remove images that were on no host for as long as history is kept.
DELETE FROM fleet.comparisons AS c
WHERE c.comparison_id IN (
  SELECT u.comparison_id
  FROM fleet.comparisons AS u
  WHERE u.unused_since < $1::timestamptz
    AND NOT EXISTS (SELECT FROM fleet.host_images AS hi WHERE hi.comparison_id = u.comparison_id)
  ORDER BY u.unused_since
  LIMIT $2::integer
)

-- name: trim_unused
-- Of a reference keep the 1,000 images that were last on a host: each answer is compared with all that
-- there are, and one host can bring thousands a day of a tag that all others have.
DELETE FROM fleet.comparisons AS c
WHERE c.comparison_id IN (
  SELECT old.comparison_id
  FROM (
    SELECT ref_id FROM fleet.comparisons WHERE unused_since < $1::timestamptz GROUP BY ref_id HAVING count(*) > 1000
  ) AS crowded
  CROSS JOIN LATERAL (
    SELECT u.comparison_id
    FROM fleet.comparisons AS u
    WHERE u.ref_id = crowded.ref_id AND u.unused_since < $1::timestamptz
    ORDER BY u.unused_since DESC, u.comparison_id DESC
    OFFSET 1000
  ) AS old
  LIMIT $2::integer
) AND NOT EXISTS (SELECT FROM fleet.host_images AS hi WHERE hi.comparison_id = c.comparison_id)

-- name: drop_bases
-- Remove bases that no image in use was built on for as long as history is kept.
DELETE FROM fleet.bases WHERE base_id IN (
  SELECT base_id FROM fleet.bases WHERE unused_since < $1::timestamptz ORDER BY unused_since LIMIT $2::integer
)

-- name: drop_refs
-- Remove references that nobody has had for as long as history is kept, asked or not. They are read
-- once in a run, $4 at a time from $3 on.
WITH looked AS MATERIALIZED (
  SELECT ref_id, first_seen_at FROM fleet.image_refs WHERE ref_id > $3::bigint ORDER BY ref_id LIMIT $4::integer
), old AS MATERIALIZED (
  SELECT l.ref_id
  FROM looked AS l
  -- Scalars, not joins: those could be planned to read all of a table for a few references.
  WHERE l.first_seen_at < $1::timestamptz
    AND coalesce((SELECT a.attempted_at FROM fleet.answers AS a WHERE a.ref_id = l.ref_id), '-infinity') < $1::timestamptz
    AND (SELECT true FROM fleet.comparisons AS c WHERE c.ref_id = l.ref_id LIMIT 1) IS NULL
    AND (SELECT true FROM fleet.newer AS n WHERE n.candidate_ref_id = l.ref_id LIMIT 1) IS NULL
    AND (SELECT true FROM fleet.bases AS b WHERE b.ref_id = l.ref_id LIMIT 1) IS NULL
  ORDER BY l.ref_id
  LIMIT $2::integer
), dropped AS (
  DELETE FROM fleet.image_refs AS r USING old WHERE r.ref_id = old.ref_id RETURNING r.ref_id
)
SELECT
  (SELECT count(*) FROM dropped) AS changed,
  CASE WHEN (SELECT count(*) FROM old) < $2::integer THEN (SELECT max(ref_id) FROM looked)
    ELSE (SELECT max(ref_id) FROM old) END AS looked_to

-- name: drop_lists
-- Remove the tags of repositories that no reference is of any more: a host can make up very many. They are
-- read once in a run, $4 at a time from $3 on.
WITH looked AS MATERIALIZED (
  SELECT list_id, greatest(attempted_at, asked_at) AS last_at
  FROM fleet.tag_lists
  WHERE list_id > $3::bigint
  ORDER BY list_id
  LIMIT $4::integer
), old AS MATERIALIZED (
  SELECT l.list_id
  FROM looked AS l
  -- A scalar, as in `drop_refs`.
  WHERE coalesce(l.last_at, '-infinity') < $1::timestamptz
    AND (SELECT true FROM fleet.versions AS v WHERE v.list_id = l.list_id LIMIT 1) IS NULL
  ORDER BY l.list_id
  LIMIT $2::integer
), dropped AS (
  DELETE FROM fleet.tag_lists AS t USING old WHERE t.list_id = old.list_id RETURNING t.list_id
)
SELECT
  (SELECT count(*) FROM dropped) AS changed,
  CASE WHEN (SELECT count(*) FROM old) < $2::integer THEN (SELECT max(list_id) FROM looked)
    ELSE (SELECT max(list_id) FROM old) END AS looked_to

-- name: drop_descriptions
-- Remove descriptions of digests that no tag points to any more, and that nothing was built on: they are
-- asked for again where they are needed again.
DELETE FROM fleet.descriptions WHERE digest IN (
  SELECT d.digest
  FROM fleet.descriptions AS d
  WHERE coalesce(greatest(d.described_at, d.asked_at), '-infinity') < $1::timestamptz
    AND NOT EXISTS (SELECT FROM fleet.answers AS a WHERE a.remote_digest = d.digest)
    AND NOT EXISTS (SELECT FROM fleet.bases AS b WHERE b.digest = d.digest AND b.unused_since IS NULL)
  ORDER BY d.digest
  LIMIT $2::integer
)

-- name: drop_image_facts
-- Remove what images say that are in no digest of a description or a tag any more.
DELETE FROM fleet.image_facts WHERE (digest, platform) IN (
  SELECT f.digest, f.platform
  FROM fleet.image_facts AS f
  WHERE f.read_at < $1::timestamptz
    AND NOT EXISTS (SELECT FROM fleet.descriptions AS d WHERE d.digest = f.digest)
    AND NOT EXISTS (SELECT FROM fleet.answers AS a WHERE a.remote_digest = f.digest)
  ORDER BY f.digest, f.platform
  LIMIT $2::integer
)

-- name: drop_plan_hosts
-- Remove the hosts of plans that are over.
DELETE FROM fleet.plan_hosts WHERE (plan_id, host_id, ref_id) IN (
  SELECT h.plan_id, h.host_id, h.ref_id
  FROM fleet.plans AS p
  JOIN fleet.plan_hosts AS h ON h.plan_id = p.plan_id
  WHERE p.made_at < $1::timestamptz
  ORDER BY h.plan_id, h.host_id, h.ref_id
  LIMIT $2::integer
)

-- name: drop_plans
-- Remove plans that are over, once their hosts are removed.
DELETE FROM fleet.plans WHERE plan_id IN (
  SELECT p.plan_id
  FROM fleet.plans AS p
  WHERE p.made_at < $1::timestamptz
    AND NOT EXISTS (SELECT FROM fleet.plan_hosts AS h WHERE h.plan_id = p.plan_id)
  ORDER BY p.plan_id
  LIMIT $2::integer
)

-- name: empty
-- Forget every fact. What NATS still has comes again when its consumers are reset.
TRUNCATE
  fleet.hosts, fleet.host_state, fleet.host_images, fleet.host_changes, fleet.image_refs,
  fleet.answers, fleet.tag_lists, fleet.versions, fleet.newer, fleet.bases, fleet.remote_history, fleet.descriptions, fleet.image_facts, fleet.comparisons,
  fleet.usage_totals, fleet.usage_changes, fleet.outbox,
  fleet.registry_states, fleet.dead_letters, fleet.trend, fleet.due_counts,
  fleet.counted, fleet.place_counts, fleet.worst_hosts, fleet.longest_outdated, fleet.troubled_hosts,
  fleet.plans, fleet.plan_targets, fleet.plan_hosts

-- name: new_generation
-- Note when the database was emptied. Only ingest before 0014_restore reads `generation`.
UPDATE fleet.generation SET generation = gen_random_uuid(), made_at = now()

-- name: judged_by
-- Which rules all verdicts were made by.
SELECT judged_by FROM fleet.generation

-- name: set_judged_by
-- Note which rules all verdicts were made by.
UPDATE fleet.generation SET judged_by = $1::integer

-- name: references_after
-- References in the order of their keys, a bounded number of them.
SELECT ref_id, reference FROM fleet.image_refs WHERE ref_id > $1::bigint ORDER BY ref_id LIMIT $2::integer

-- name: policies
-- How references are treated, by registry.
SELECT registry, policy FROM fleet.image_refs WHERE policy <> 'pinned' GROUP BY registry, policy

-- name: set_policy
-- Treat the references of a registry differently from now on.
UPDATE fleet.image_refs SET policy = $2::text
WHERE registry = $1::text AND policy NOT IN ('pinned', $2::text)
RETURNING reference

-- name: start_asking
-- Make references due, or never again.
UPDATE fleet.answers AS a SET next_check_at = CASE r.policy WHEN 'ask' THEN now() END
FROM unnest($1::text[]) AS s (reference)
JOIN fleet.image_refs AS r ON r.reference = s.reference
WHERE r.ref_id = a.ref_id
