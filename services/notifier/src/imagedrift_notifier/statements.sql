-- The statements of the notifier: it reads views of ops, and writes to its own schema alone.

-- name: due
-- What is due of some references on the hosts of a route. Hosts are counted once, whatever they run.
SELECT
  g.reference, g.kind, g.target, g.hosts, g.running_hosts,
  g.places[1:10] AS places, cardinality(g.places)::bigint AS place_count,
  g.from_versions[1:10] AS from_versions, g.to_version, g.since, g.due_at, '' AS detail
FROM (
  SELECT
    d.reference, CASE d.cause WHEN 'version' THEN 'version' ELSE 'outdated' END AS kind,
    coalesce(d.newest, d.remote_digest, '') AS target,
    count(DISTINCT d.site || '/' || d.host) AS hosts,
    count(DISTINCT d.site || '/' || d.host) FILTER (WHERE d.running > 0) AS running_hosts,
    array_agg(DISTINCT coalesce(nullif(d.place, ''), d.site)) AS places,
    array_agg(DISTINCT coalesce(d.local_version, d.local_digests[1], d.image_id)) AS from_versions,
    coalesce(min(d.newest), min(d.remote_version), min(d.remote_digest), '') AS to_version,
    min(d.available_since) AS since, min(d.due_at) AS due_at
  FROM unnest(:references::text[]) AS r (reference)
  JOIN ops.due AS d ON d.reference = r.reference
  WHERE (:sites::text[] IS NULL OR d.site = ANY (:sites::text[]))
    AND (:places::text[] IS NULL OR EXISTS (
      SELECT FROM unnest(:places::text[]) AS p (place) WHERE d.place = p.place OR starts_with(d.place, p.place || '/')))
    AND d.labels @> :labels::jsonb
  GROUP BY 1, 2, 3
) AS g;

-- name: missing
-- The hosts whose tags are gone from their registry.
SELECT
  g.reference, 'missing' AS kind, g.target, g.hosts, g.running_hosts,
  g.places[1:10] AS places, cardinality(g.places)::bigint AS place_count,
  '{}'::text[] AS from_versions, '' AS to_version, g.since, g.since AS due_at, '' AS detail
FROM (
  SELECT
    c.reference, coalesce(c.remote_digest, '') AS target,
    count(DISTINCT c.site || '/' || c.host) AS hosts,
    count(DISTINCT c.site || '/' || c.host) FILTER (WHERE c.running > 0) AS running_hosts,
    array_agg(DISTINCT coalesce(nullif(c.place, ''), c.site)) AS places,
    min(c.verdict_since) AS since
  FROM unnest(:references::text[]) AS r (reference)
  JOIN ops.comparisons AS c ON c.reference = r.reference
  WHERE c.verdict = 'missing'
    AND (:sites::text[] IS NULL OR c.site = ANY (:sites::text[]))
    AND (:places::text[] IS NULL OR EXISTS (
      SELECT FROM unnest(:places::text[]) AS p (place) WHERE c.place = p.place OR starts_with(c.place, p.place || '/')))
    AND c.labels @> :labels::jsonb
  GROUP BY 1, 2
) AS g;

-- name: due_topics
-- The same in short, to be claimed: what is counted is read when it is told.
SELECT
  d.reference, CASE d.cause WHEN 'version' THEN 'version' ELSE 'outdated' END AS kind,
  coalesce(d.newest, d.remote_digest, '') AS target, min(d.due_at) AS due_at
FROM unnest(:references::text[]) AS r (reference)
JOIN ops.due AS d ON d.reference = r.reference
WHERE :is_due::boolean AND (:sites::text[] IS NULL OR d.site = ANY (:sites::text[]))
  AND (:places::text[] IS NULL OR EXISTS (
    SELECT FROM unnest(:places::text[]) AS p (place) WHERE d.place = p.place OR starts_with(d.place, p.place || '/')))
  AND d.labels @> :labels::jsonb
GROUP BY 1, 2, 3
UNION ALL
SELECT c.reference, 'missing', coalesce(c.remote_digest, ''), min(c.verdict_since)
FROM unnest(:references::text[]) AS r (reference)
JOIN ops.comparisons AS c ON c.reference = r.reference
WHERE :is_missing::boolean AND c.verdict = 'missing' AND (:sites::text[] IS NULL OR c.site = ANY (:sites::text[]))
  AND (:places::text[] IS NULL OR EXISTS (
    SELECT FROM unnest(:places::text[]) AS p (place) WHERE c.place = p.place OR starts_with(c.place, p.place || '/')))
  AND c.labels @> :labels::jsonb
GROUP BY 1, 3;

-- name: host_counts
-- How many hosts have each of these images: what it costs to read what is due of them.
SELECT i.reference, i.hosts
FROM ops.images AS i
JOIN unnest(:references::text[]) AS r (reference) ON r.reference = i.reference;

-- name: errors
-- Registries of which references have failed for a while: one topic for each kind of failure. Any host
-- can name registries that do not exist: of those whose images one host alone has, ten are told, first
-- what was ever answered, and then what fails longest.
WITH failing AS (
  SELECT
    split_part(reference, '/', 1) AS registry, outcome, count(*) AS references_failing, max(hosts) AS most_hosts,
    min(failing_since) AS since, coalesce(min(error), '') AS detail
  FROM ops.lookup_errors
  WHERE outcome <> 'missing' AND failing_since < now() - :failing_for::interval AND hosts > 0
  GROUP BY 1, outcome
), answered AS (
  SELECT DISTINCT registry FROM ops.images WHERE remote_digest IS NOT NULL
), ranked AS (
  SELECT f.*, row_number() OVER (
    PARTITION BY f.most_hosts > 1 ORDER BY a.registry IS NULL, f.since, f.registry, f.outcome
  ) AS nth
  FROM failing AS f
  LEFT JOIN answered AS a ON a.registry = f.registry
)
SELECT
  'error' AS kind, e.registry AS reference, e.outcome AS target, e.references_failing AS hosts, 0::bigint AS running_hosts,
  '{}'::text[] AS places, 0::bigint AS place_count, '{}'::text[] AS from_versions, '' AS to_version,
  e.since, e.since AS due_at, e.detail
FROM ranked AS e
WHERE (e.most_hosts > 1 OR e.nth <= 10) AND (:registry::text IS NULL OR e.registry = :registry::text);

-- name: candidates
-- References that may have become due without a change of a verdict: a waiting time has passed, an
-- excuse has ended, a newer version was found. Each with the routes that have not claimed all of it,
-- in the order of their names, a portion at a time.
SELECT t.reference, array_agg(DISTINCT w.route) AS routes
FROM (
  SELECT i.reference, 'outdated' AS kind, coalesce(i.remote_digest, '') AS target
  FROM ops.images AS i
  WHERE i.outdated_hosts > 0
  UNION ALL
  SELECT v.reference, 'version', n.tag
  FROM ops.versions AS v
  CROSS JOIN LATERAL (VALUES (v.newest_patch), (v.newest_minor), (v.newest_major)) AS n (tag)
  WHERE n.tag IS NOT NULL
) AS t
JOIN unnest(:routes::text[], :kinds::text[]) AS w (route, kind) ON w.kind = t.kind
LEFT JOIN notify.claims AS c
  ON c.route = w.route AND c.kind = t.kind AND c.reference = t.reference AND c.target = t.target
WHERE c.route IS NULL AND t.reference > :behind::text COLLATE "C"
GROUP BY t.reference
ORDER BY t.reference COLLATE "C"
LIMIT :most::integer;

-- name: due_references
-- Every reference that may be due, whatever was told of it.
SELECT i.reference FROM ops.images AS i WHERE i.outdated_hosts > 0
UNION
SELECT v.reference FROM ops.versions AS v WHERE num_nonnulls(v.newest_patch, v.newest_minor, v.newest_major) > 0
ORDER BY 1;

-- name: drop_removed
-- What waits on a route that was in no file for so long is not sent, should the route come back.
WITH gone AS (
  SELECT route FROM notify.routes WHERE removed_at < now() - :grace::interval
), dropped AS (
  DELETE FROM notify.claims AS c USING gone
  WHERE c.route = gone.route AND c.message_id IS NULL AND c.send_at IS NOT NULL
  RETURNING c.route
), failed AS (
  UPDATE notify.messages AS m SET state = 'failed', error = 'its route was removed' FROM gone
  WHERE m.route = gone.route AND m.state = 'waiting'
  RETURNING m.route
)
SELECT route, sum(messages) AS messages, sum(topics) AS topics
FROM (SELECT route, 0 AS messages, 1 AS topics FROM dropped UNION ALL SELECT route, 1, 0 FROM failed) AS x
GROUP BY route;

-- name: enter_routes
-- A route that comes back after it was dropped is a new one.
INSERT INTO notify.routes AS r (route)
SELECT unnest(:routes::text[])
ON CONFLICT (route) DO UPDATE SET
  removed_at = NULL,
  since = CASE WHEN r.removed_at < now() - :grace::interval THEN now() ELSE r.since END,
  is_begun = r.is_begun AND r.removed_at >= now() - :grace::interval,
  is_restored = r.is_restored AND r.removed_at >= now() - :grace::interval
WHERE r.removed_at IS NOT NULL;

-- name: mark_removed
-- A notifier whose file has the route takes this back. A moment to come was written by a wrong clock.
UPDATE notify.routes AS r SET removed_at = now()
WHERE coalesce(r.removed_at > now(), true) AND NOT EXISTS (SELECT FROM unnest(:routes::text[]) AS f (route) WHERE f.route = r.route);

-- name: routes
SELECT r.route, r.since, r.is_begun, r.is_restored, now() AS now
FROM notify.routes AS r
JOIN unnest(:routes::text[]) AS f (route) ON f.route = r.route;

-- name: begin_routes
-- All that was due when these routes were made is claimed.
UPDATE notify.routes AS r SET is_begun = true
FROM unnest(:routes::text[]) AS f (route)
WHERE f.route = r.route AND NOT r.is_begun;

-- name: claim
-- What a route gathers already is sent together with what is claimed now, unless that is to be sooner.
-- Nothing is claimed for a route that was begun anew since its state was read. A tag may move with every
-- check: it is told ten times a day, and what it points to then is claimed without being sent.
INSERT INTO notify.claims (route, kind, reference, target, send_at)
SELECT
  :route::text, c.kind, c.reference, c.target,
  CASE WHEN c.send_at IS NOT NULL AND 10 > (
    SELECT count(*) FROM (
      SELECT FROM notify.claims AS o
      WHERE o.route = :route::text AND o.kind = c.kind AND o.reference = c.reference
        AND o.send_at IS NOT NULL AND o.claimed_at BETWEEN now() - interval '1 day' AND now()
      LIMIT 10
    ) AS told
  ) THEN least((
    SELECT min(o.send_at) FROM notify.claims AS o
    WHERE o.route = :route::text AND o.message_id IS NULL AND o.send_at > now()), c.send_at) END
FROM unnest(:kinds::text[], :references::text[], :targets::text[], :times::timestamptz[])
  AS c (kind, reference, target, send_at)
WHERE EXISTS (SELECT FROM notify.routes AS r WHERE r.route = :route::text AND r.since = :since::timestamptz)
ON CONFLICT (route, kind, reference, target) DO NOTHING
RETURNING kind;

-- name: bring_forward
-- What a route gathers is sent no later than what it would note now: its times may have been changed.
UPDATE notify.claims AS c SET send_at = f.latest
FROM unnest(:routes::text[], :times::timestamptz[]) AS f (route, latest)
WHERE c.route = f.route AND c.message_id IS NULL AND c.send_at > f.latest;

-- name: release_errors
-- A registry that can be asked again is told of anew when it fails the next time, within the hour only
-- once: its failure comes and goes with the inventories of a host that alone has its images. What was
-- claimed in much more than a moment from now was claimed while the database's clock was ahead.
DELETE FROM notify.claims AS c
WHERE c.kind = 'error' AND c.claimed_at NOT BETWEEN now() - interval '1 hour' AND now() + interval '1 hour' AND EXISTS (SELECT FROM unnest(:routes::text[]) AS x (route) WHERE x.route = c.route) AND (c.message_id IS NOT NULL OR c.send_at IS NULL)
  AND NOT EXISTS (
    SELECT FROM unnest(:references::text[], :targets::text[]) AS f (reference, target)
    WHERE f.reference = c.reference AND f.target = c.target);

-- name: routes_with_claims
SELECT DISTINCT route, now() AS now FROM notify.claims WHERE message_id IS NULL AND send_at <= now();

-- name: bring_back
-- A message that waits for much longer than any pause was put off while the database's clock was ahead.
-- Twice as long: a moment that is written beside this statement is reckoned from a later `now()`.
UPDATE notify.messages SET try_at = now() WHERE state = 'waiting' AND try_at > now() + 2 * :longest_pause::interval;

-- name: routes_with_messages
SELECT DISTINCT route, now() AS now FROM notify.messages WHERE state = 'waiting' AND try_at <= now();

-- name: due_claims
SELECT kind, reference, target
FROM notify.claims
WHERE route = :route::text AND message_id IS NULL AND send_at <= now()
ORDER BY claimed_at, reference
LIMIT :most::integer;

-- name: lock_claims
-- Those of these claims that nobody has written since, or is writing.
SELECT c.kind, c.reference, c.target
FROM notify.claims AS c
JOIN unnest(:kinds::text[], :references::text[], :targets::text[]) AS x (kind, reference, target)
  ON (c.kind, c.reference, c.target) = (x.kind, x.reference, x.target)
WHERE c.route = :route::text AND c.message_id IS NULL AND c.send_at <= now()
FOR UPDATE OF c SKIP LOCKED;

-- name: drop_claims
-- What is not due any more when it should be told is not told; it may become due again.
DELETE FROM notify.claims AS c
USING unnest(:kinds::text[], :references::text[], :targets::text[]) AS x (kind, reference, target)
WHERE c.route = :route::text AND c.message_id IS NULL
  AND (c.kind, c.reference, c.target) = (x.kind, x.reference, x.target);

-- name: write_message
WITH made AS (
  INSERT INTO notify.messages (route, channel, title, body, payload, topics)
  VALUES (:route::text, :channel::text, :title::text, :body::text, :payload::jsonb, cardinality(:kinds::text[]))
  RETURNING message_id
)
UPDATE notify.claims AS c SET message_id = made.message_id
FROM made, unnest(:kinds::text[], :references::text[], :targets::text[]) AS x (kind, reference, target)
WHERE c.route = :route::text AND (c.kind, c.reference, c.target) = (x.kind, x.reference, x.target)
RETURNING c.message_id;

-- name: begin_sending
-- The oldest message of a route that is to be tried now, unless the route just failed.
UPDATE notify.messages
SET state = 'sending', attempts = attempts + 1,
    leased_until = now() + CASE channel WHEN 'webhook' THEN :webhook_lease::interval ELSE :lease::interval END
WHERE message_id = (
  SELECT m.message_id FROM notify.messages AS m
  WHERE m.route = :route::text AND m.state = 'waiting' AND m.try_at <= now()
  ORDER BY m.created_at, m.message_id
  LIMIT 1
  FOR UPDATE SKIP LOCKED
)
RETURNING message_id, route, channel, created_at, title, body, payload, attempts, now() - created_at AS age;

-- name: end_sending
-- A try that was given up as dead and yet was taken is sent: that is known better.
UPDATE notify.messages
SET state = :state::text, error = nullif(:error::text, ''), try_at = now() + :pause::interval, leased_until = NULL,
    sent_at = CASE WHEN :state::text = 'sent' THEN now() END
WHERE message_id = :message_id::text
  AND (state = 'sending' AND attempts = :attempts::integer OR :state::text = 'sent' AND state <> 'sent');

-- name: postpone
-- A channel that failed is tried by one message; the others of the route wait with it.
UPDATE notify.messages
SET try_at = now() + :pause::interval
WHERE route = :route::text AND state = 'waiting' AND try_at < now() + :pause::interval;

-- name: resolve_dead
-- Messages whose notifier died while it sent them: a webhook's receiver knows a message by its id. What is
-- taken for much longer than any try was taken while the database's clock was ahead: see `bring_back`.
UPDATE notify.messages
SET state = CASE channel WHEN 'webhook' THEN 'waiting' ELSE 'doubtful' END, leased_until = NULL,
    error = 'the notifier ended while it sent this'
WHERE state = 'sending' AND leased_until NOT BETWEEN now() AND now() + 2 * :longest_lease::interval
RETURNING message_id, route, state;

-- name: is_known
-- Whether the database knows of a try to send: one that was restored to an earlier time does not.
SELECT FROM notify.messages WHERE message_id = :message_id::text AND attempts >= :attempts::integer;

-- name: start_over
-- After a restore nobody knows what was told since: so nothing is that is due or waits now. Only what a
-- webhook was to be sent by then waits on, as its receiver knows it by its id; what was written after the
-- restore has another one.
WITH messages AS (
  UPDATE notify.messages
  SET state = 'doubtful', leased_until = NULL, error = 'the database was restored: it may have been sent before'
  WHERE state IN ('waiting', 'sending') AND (channel <> 'webhook' OR created_at > :known_until::timestamptz)
  RETURNING message_id
), topics AS (
  UPDATE notify.claims SET send_at = NULL WHERE message_id IS NULL AND send_at IS NOT NULL
  RETURNING reference
), routes AS (
  UPDATE notify.routes SET since = now(), is_begun = false, is_restored = true
)
SELECT (SELECT count(*) FROM messages) AS messages, (SELECT count(*) FROM topics) AS topics;

-- name: trim
-- Of an image and a kind the newest hundred topics are kept that wait for nothing: a tag may move with
-- every check, for a year.
DELETE FROM notify.claims AS c
USING (
  SELECT n.route, n.kind, n.reference, n.target
  FROM (SELECT route, kind, reference FROM notify.claims GROUP BY route, kind, reference HAVING count(*) > 100) AS many
  CROSS JOIN LATERAL (
    SELECT o.route, o.kind, o.reference, o.target, o.message_id, o.send_at
    FROM notify.claims AS o
    WHERE o.route = many.route AND o.kind = many.kind AND o.reference = many.reference
    ORDER BY o.claimed_at DESC
    OFFSET 100
  ) AS n
  WHERE n.message_id IS NOT NULL OR n.send_at IS NULL
) AS old
WHERE (c.route, c.kind, c.reference, c.target) = (old.route, old.kind, old.reference, old.target);

-- name: moment
-- The database's time.
SELECT now() AS now;

-- name: prune
-- What was told long ago; and what nobody tells, as its route is gone.
WITH old AS (
  DELETE FROM notify.claims WHERE claimed_at < now() - :kept::interval
  RETURNING message_id
)
DELETE FROM notify.messages AS m
WHERE m.created_at < now() - :kept::interval AND m.state NOT IN ('waiting', 'sending')
  AND NOT EXISTS (SELECT FROM notify.claims AS c WHERE c.message_id = m.message_id AND c.claimed_at >= now() - :kept::interval);

-- name: counts
SELECT r.route, r.waiting, r.failing, r.gathering
FROM ops.routes AS r
JOIN unnest(:routes::text[]) AS f (route) ON f.route = r.route;
