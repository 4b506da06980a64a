-- Turns are rows, what no host has is not due, and who brought a reference
-- depends: 0010_border
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '10min';

-- An advisory lock can be taken by whoever may connect, so that a reader could stop all work.
CREATE TABLE fleet.turns (
  name text COLLATE "C" PRIMARY KEY,
  holder uuid NOT NULL,
  until timestamptz NOT NULL,
  done_at timestamptz
) WITH (fillfactor = 10);
COMMENT ON TABLE fleet.turns IS 'Work that one process does at a time, a row each. A turn that is not given back runs out.';
COMMENT ON COLUMN fleet.turns.name IS 'The work.';
COMMENT ON COLUMN fleet.turns.holder IS 'Who has the turn: a number of this turn''s own.';
COMMENT ON COLUMN fleet.turns.until IS 'When the turn is free; a moment that is over when nobody has it.';
COMMENT ON COLUMN fleet.turns.done_at IS 'When the work was last done.';

-- An answer and a description of one digest wait for each other, so that neither misses the other.
CREATE TABLE fleet.digest_locks (
  slot bigint PRIMARY KEY CHECK (slot BETWEEN 0 AND 255)
);
COMMENT ON TABLE fleet.digest_locks IS 'Rows that are locked in place of digests, which have none before they are described. Made when first needed, and never changed.';
COMMENT ON COLUMN fleet.digest_locks.slot IS 'A number made of the digest.';

-- How many new images a host has brought, so that none fills the tables and the queue of questions.
-- Without a key to hosts: a number is never another host's, and rows of days that are over are dropped.
CREATE TABLE fleet.host_quotas (
  host_id bigint PRIMARY KEY,
  day date NOT NULL,
  made integer NOT NULL DEFAULT 0 CHECK (made >= 0)
) WITH (fillfactor = 50);
COMMENT ON TABLE fleet.host_quotas IS 'Hosts that brought images that no host had before. Written with those images only.';
COMMENT ON COLUMN fleet.host_quotas.host_id IS 'The host.';
COMMENT ON COLUMN fleet.host_quotas.day IS 'The last day on which it did, in UTC.';
COMMENT ON COLUMN fleet.host_quotas.made IS 'How many on that day.';

-- Who brought a reference: hosts take turns, so that none waits for all that another one brought.
ALTER TABLE fleet.answers ADD COLUMN brought_by bigint;
COMMENT ON COLUMN fleet.answers.brought_by IS 'The host that had it first, or first again after nobody did.';
COMMENT ON COLUMN fleet.answers.weight IS 'Hosts that ran it when that was last counted: due references are asked in this order.';
COMMENT ON COLUMN fleet.answers.next_check_at IS 'When it is due; null while no host has an image of it to compare, and when it is never asked.';
UPDATE fleet.answers AS a SET brought_by = n.host_id
FROM (
  SELECT c.ref_id, min(u.host_id) AS host_id
  FROM (SELECT comparison_id, min(host_id) AS host_id FROM fleet.host_images GROUP BY comparison_id) AS u
  JOIN fleet.comparisons AS c ON c.comparison_id = u.comparison_id
  GROUP BY c.ref_id
) AS n
WHERE a.ref_id = n.ref_id AND a.next_check_at IS NOT NULL;

ALTER TABLE fleet.comparisons ADD COLUMN asked_inside text COLLATE "C";
COMMENT ON COLUMN fleet.comparisons.asked_inside IS 'The digest that was last asked for what is inside it for this image''s sake.';
UPDATE fleet.comparisons AS c SET asked_inside = d.digest
FROM fleet.answers AS a
JOIN fleet.descriptions AS d ON d.digest = a.remote_digest
WHERE a.ref_id = c.ref_id AND c.reason IN ('digest_differs', 'digest_lost') AND d.asked_at > c.first_seen_at;

-- What no host has was due all the same, each period for a year.
UPDATE fleet.answers AS a SET next_check_at = NULL
WHERE a.next_check_at IS NOT NULL AND NOT EXISTS (
  SELECT FROM fleet.comparisons AS c
  JOIN fleet.host_images AS hi ON hi.comparison_id = c.comparison_id
  WHERE c.ref_id = a.ref_id AND c.repo_digests <> '{}'
);

-- Its plan is made for a connection's first batch, when a young fleet's tables are empty, and kept while
-- they grow: it must not read them whole.
CREATE FUNCTION fleet.wake_references() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
  UPDATE fleet.answers AS a SET
    next_check_at = now(),
    brought_by = l.brought_by,
    hosts = greatest(a.hosts, l.hosts),
    weight = greatest(a.weight, l.running)
  FROM (
    SELECT a.ref_id, n.brought_by, n.hosts, n.running
    FROM (
      SELECT c.ref_id, min(m.host_id) AS brought_by, sum(m.hosts)::integer AS hosts, sum(m.running)::integer AS running
      FROM (
        SELECT comparison_id, min(host_id) AS host_id, count(*) AS hosts, count(*) FILTER (WHERE running > 0) AS running
        FROM came
        GROUP BY comparison_id
      ) AS m
      JOIN fleet.comparisons AS c ON c.comparison_id = m.comparison_id
      JOIN fleet.answers AS resting ON resting.ref_id = c.ref_id
      WHERE resting.next_check_at IS NULL AND c.repo_digests <> '{}'
      GROUP BY c.ref_id
    ) AS n
    JOIN fleet.image_refs AS r ON r.ref_id = n.ref_id AND r.policy = 'ask'
    JOIN fleet.answers AS a ON a.ref_id = n.ref_id
    ORDER BY a.ref_id
    FOR NO KEY UPDATE OF a
  ) AS l
  WHERE a.ref_id = l.ref_id AND a.next_check_at IS NULL;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION fleet.wake_references() IS 'Makes references due that a host got and nobody had before.';
CREATE TRIGGER wake_references AFTER INSERT ON fleet.host_images
  REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION fleet.wake_references();
-- migrate: rollback
-- Forward only.
