-- Which digests are to be described, what is asked about them, and that it was asked.

-- name: undescribed
-- Digests whose inside would tell whether images are outdated, the most wanted first, of registries that
-- can be asked with GET. A description that has all children's image ids is never asked for again. Which
-- images a digest was asked for is noted on them: moments would be those of several clocks, and an image
-- may be committed after a look with a moment from before it. While a question about a digest may be in
-- its stream no other one is stored there: images that come meanwhile wait for its end.
-- One host may have many thousands of images and of references. So references are found by an index
-- alone, those are left out that can have nothing to ask, and of each other one images are read until
-- one is found: what is asked about the few that are picked, `questions_about` tells.
-- Of the digests that one host brought $3 are out at a time, and $5 asked about in a day, as each may be
-- a megabyte; hosts take turns. $4: questions from before that have left their stream.
-- Of one host's references about a thousand are tried in a look, drawn anew in each: to find $3 that have
-- something to ask among a hundred thousand took two seconds, in which no other host was served.
WITH asked AS MATERIALIZED (
  SELECT
    greatest(a.weight, 1) AS weight, coalesce(a.brought_by, 0) AS brought_by, count(*) AS of_day,
    count(*) FILTER (WHERE (d.described_at IS NULL OR d.asked_at > d.described_at) AND d.asked_at > $4::timestamptz) AS is_out
  FROM fleet.descriptions AS d
  LEFT JOIN fleet.answers AS a ON a.ref_id = d.asked_ref_id
  -- The upper limit excludes nothing: with the lower one alone a third of the table is expected, and
  -- all of it is read.
  WHERE d.asked_at > $1::timestamptz - interval '1 day' AND d.asked_at <= 'infinity'
  GROUP BY greatest(a.weight, 1), coalesce(a.brought_by, 0)
), differing AS MATERIALIZED (
  SELECT DISTINCT ref_id FROM fleet.comparisons WHERE reason IN ('digest_differs', 'digest_lost')
), askable AS MATERIALIZED (
  SELECT
    r.ref_id, a.remote_digest AS digest, greatest(a.weight, 1) AS weight, coalesce(a.brought_by, 0) AS brought_by,
    d.digest IS NULL OR d.next_ask_at <= $1::timestamptz AS of_all,
    d.failure IS NULL AND d.children IS NOT NULL AS knows_manifests
  FROM differing AS f
  JOIN fleet.answers AS a ON a.ref_id = f.ref_id
  JOIN fleet.image_refs AS r ON r.ref_id = f.ref_id
  LEFT JOIN fleet.descriptions AS d ON d.digest = a.remote_digest
  WHERE a.remote_digest IS NOT NULL AND r.policy = 'ask'
    AND CASE
      WHEN d.digest IS NULL THEN true
      WHEN d.failure IS NULL AND d.is_complete THEN false
      WHEN d.next_ask_at <= $1::timestamptz THEN true
      ELSE d.failure IS NULL AND coalesce(d.asked_at <= $4::timestamptz, true)
    END
    -- Not as joins, which could be planned to compare each reference with each row.
    AND (a.weight > 1 OR coalesce(a.brought_by, 0) NOT IN (
      SELECT brought_by FROM asked WHERE weight = 1 AND (is_out >= $3::integer OR of_day >= $5::integer)
    ))
    AND r.registry NOT IN (
      SELECT registry
      FROM fleet.registry_states
      GROUP BY registry
      HAVING bool_and(greatest(blocked_until, get_blocked_until, '-infinity') > $1::timestamptz)
    )
), crowds AS MATERIALIZED (
  SELECT brought_by, count(*) AS refs FROM askable WHERE weight = 1 GROUP BY brought_by HAVING count(*) > 1000
), wanting AS (
  SELECT k.digest, k.brought_by, max(k.weight) AS weight
  FROM askable AS k
  LEFT JOIN crowds AS w ON w.brought_by = k.brought_by AND k.weight = 1
  -- The draw comes first, so that nothing is read for what is not drawn. A scalar, not EXISTS: that could be planned as one pass over all images of all hosts.
  WHERE CASE WHEN random() * coalesce(w.refs, 1) < 1000 THEN (
    SELECT true
    FROM fleet.comparisons AS c
    CROSS JOIN LATERAL (
      SELECT FROM fleet.host_images AS hi WHERE hi.comparison_id = c.comparison_id LIMIT 1
    ) AS used
    WHERE c.ref_id = k.ref_id AND c.reason IN ('digest_differs', 'digest_lost')
      AND (k.of_all OR c.asked_inside IS DISTINCT FROM k.digest)
      AND NOT (k.knows_manifests AND (c.manifest_digest IS NOT NULL OR c.image_id = ANY (c.repo_digests)))
    LIMIT 1
  ) END
  GROUP BY k.digest, k.brought_by
), in_turn AS (
  -- What was asked about has the first turns: of the day, and of those that are out where it is.
  SELECT p.digest, p.weight, sum(p.is_out) OVER turns AS turn, sum(p.of_day) OVER turns AS turn_of_day
  FROM (
    SELECT digest, brought_by, weight, 1 AS is_out, 1 AS of_day FROM wanting
    UNION ALL
    SELECT NULL, brought_by, weight, is_out, of_day FROM asked
  ) AS p
  WINDOW turns AS (PARTITION BY p.weight, p.brought_by ORDER BY p.digest NULLS FIRST ROWS UNBOUNDED PRECEDING)
)
SELECT digest
FROM in_turn
WHERE digest IS NOT NULL AND (weight > 1 OR (turn <= $3::integer AND turn_of_day <= $5::integer))
GROUP BY digest
ORDER BY max(weight) DESC, min(turn), digest
LIMIT $2::integer

-- name: questions_about
-- What is asked about digests, a row each. It is asked in the repository of one reference, as its registry
-- and repository belong together: one whose answer was found, and after a failure another one than before.
-- `unnamed`: the engine names neither the image's manifest nor an index, so that the configurations of the
-- children are needed. Of the platforms that hosts have, the version is asked for as well.
-- Any host can make up images of a tag that others have, and tags of a registry of its own. So a question
-- has room for few image ids and platforms, for which hosts take turns.
WITH of_digest AS MATERIALIZED (
  SELECT
    s.digest, r.ref_id, a.weight, a.hosts,
    a.failure IS NOT NULL OR a.gone AS doubtful,
    d.failure IS NOT NULL AND d.asked_ref_id IS NOT DISTINCT FROM r.ref_id AS failed_here,
    d.digest IS NULL OR d.next_ask_at <= $1::timestamptz AS of_all,
    d.failure IS NULL AND d.children IS NOT NULL AS knows_manifests
  FROM unnest($2::text[]) AS s (digest)
  JOIN fleet.answers AS a ON a.remote_digest = s.digest
  JOIN fleet.image_refs AS r ON r.ref_id = a.ref_id
  LEFT JOIN fleet.descriptions AS d ON d.digest = s.digest
  WHERE r.policy = 'ask' AND (
    SELECT bool_and(greatest(g.blocked_until, g.get_blocked_until, '-infinity') > $1::timestamptz)
    FROM fleet.registry_states AS g
    WHERE g.registry = r.registry
  ) IS NOT TRUE
), wanting AS MATERIALIZED (
  SELECT
    o.digest, o.ref_id, o.weight, o.hosts, o.doubtful, o.failed_here,
    c.comparison_id, c.platform, c.image_id, c.is_asked, c.unnamed, c.host_id
  FROM of_digest AS o
  CROSS JOIN LATERAL (
    SELECT i.*
    FROM (
      SELECT
        m.comparison_id, m.platform, m.image_id, m.asked_inside IS NOT DISTINCT FROM o.digest AS is_asked,
        m.manifest_digest IS NULL AND m.image_id <> ALL (m.repo_digests) AS unnamed, used.host_id,
        row_number() OVER (
          PARTITION BY used.host_id ORDER BY m.asked_inside IS NOT DISTINCT FROM o.digest, m.image_id, m.comparison_id
        ) AS nth
      FROM fleet.comparisons AS m
      CROSS JOIN LATERAL (
        SELECT hi.host_id FROM fleet.host_images AS hi WHERE hi.comparison_id = m.comparison_id LIMIT 1
      ) AS used
      WHERE m.ref_id = o.ref_id AND m.reason IN ('digest_differs', 'digest_lost')
        AND (o.of_all OR m.asked_inside IS DISTINCT FROM o.digest)
        AND NOT (o.knows_manifests AND (m.manifest_digest IS NOT NULL OR m.image_id = ANY (m.repo_digests)))
    ) AS i
    WHERE i.nth <= 100 -- of a host with thousands no more have to be put in order than a question holds
  ) AS c
), shared AS (
  SELECT
    w.*,
    dense_rank() OVER (PARTITION BY digest, unnamed, host_id ORDER BY is_asked, image_id) AS image_turn,
    dense_rank() OVER (PARTITION BY digest, host_id ORDER BY platform) AS platform_turn,
    dense_rank() OVER (PARTITION BY digest, platform ORDER BY host_id) AS nth_host
  FROM wanting AS w
), of_platform AS (
  SELECT
    s.*,
    max(nth_host) OVER (PARTITION BY digest, platform) AS platform_hosts,
    min(platform_turn) OVER (PARTITION BY digest, platform) AS first_turn
  FROM shared AS s
), numbered AS (
  -- A question has room for so many image ids: those first that it was not asked for yet.
  SELECT
    o.*,
    NOT unnamed OR dense_rank() OVER (PARTITION BY digest, unnamed ORDER BY is_asked, image_turn, image_id) <= 100 AS fits,
    dense_rank() OVER (PARTITION BY digest ORDER BY platform_hosts DESC, first_turn, platform) AS platform_rank
  FROM of_platform AS o
), chosen AS (
  SELECT
    digest, max(hosts) AS hosts, max(weight) AS weight,
    (array_agg(ref_id ORDER BY failed_here, doubtful, weight DESC, ref_id))[1] AS ref_id,
    coalesce(array_agg(DISTINCT platform) FILTER (WHERE unnamed AND platform_rank <= $3::integer), '{}') AS platforms,
    coalesce(array_agg(DISTINCT image_id) FILTER (WHERE unnamed AND fits), '{}') AS image_ids,
    array_agg(DISTINCT platform) FILTER (WHERE platform_rank <= $4::integer) AS facts_of,
    array_agg(comparison_id) FILTER (WHERE fits) AS comparisons
  FROM numbered
  GROUP BY digest
)
SELECT ch.digest, ch.ref_id, r.registry, r.repository, ch.hosts, ch.platforms, ch.image_ids, ch.facts_of, ch.comparisons
FROM chosen AS ch
JOIN fleet.image_refs AS r ON r.ref_id = ch.ref_id
ORDER BY ch.weight DESC, ch.digest

-- name: asked_inside
-- Note that descriptions were asked for.
INSERT INTO fleet.descriptions AS d (digest, platforms, asked_ref_id, asked_at, next_ask_at)
SELECT s.digest, string_to_array(s.platforms, ','), s.ref_id, $1::timestamptz, s.next_ask_at
FROM unnest($2::text[], $3::text[], $4::bigint[], $5::timestamptz[]) AS s (digest, platforms, ref_id, next_ask_at)
ORDER BY s.digest
ON CONFLICT (digest) DO UPDATE SET
  platforms = excluded.platforms,
  asked_ref_id = excluded.asked_ref_id,
  asked_at = excluded.asked_at,
  next_ask_at = excluded.next_ask_at

-- name: asked_for
-- Note for which images digests were asked for, as far as the question had room for them.
UPDATE fleet.comparisons AS c SET asked_inside = l.digest
FROM (
  SELECT c.comparison_id, s.digest
  FROM unnest($1::bigint[], $2::text[]) AS s (comparison_id, digest)
  JOIN fleet.comparisons AS c ON c.comparison_id = s.comparison_id
  ORDER BY c.comparison_id
  FOR NO KEY UPDATE OF c
) AS l
WHERE c.comparison_id = l.comparison_id
