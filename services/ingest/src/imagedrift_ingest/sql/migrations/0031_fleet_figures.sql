-- The fleet in figures: hosts by state and images by verdict are counted with the rest, and kept
-- depends: 0030_bases
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '1min';

-- One rule for the state of a host, without the words: no other table is read for it. PostgreSQL puts
-- its body where it is called, so it must not have settings of its own.
CREATE FUNCTION fleet.state_of(s fleet.host_state) RETURNS text
LANGUAGE sql STABLE
AS $$
SELECT CASE
  WHEN s.silent_at < now() THEN 'silent'
  WHEN s.boot_returns >= 2 AND s.boot_returned_at > now() - make_interval(secs => 4.0 * s.interval_s) - interval '5 minutes'
    OR s.degraded <> '' OR s.behind OR s.content IS NULL THEN 'degraded'
  ELSE 'well'
END
$$;
COMMENT ON FUNCTION fleet.state_of IS 'The state of a host: silent, degraded or well.';

CREATE VIEW fleet.hosts_now AS
SELECT
  h.host_id,
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
  s.changed_at, h.first_seen_at, h.skipped || s.left_out AS skipped,
  fleet.state_of(s) AS state
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
COMMENT ON VIEW fleet.hosts_now IS 'Every host that counts, with its key.';
COMMENT ON COLUMN fleet.hosts_now.host_id IS 'The host.';

CREATE OR REPLACE VIEW ops.hosts AS
SELECT
  site, host, hostname, labels, images, outdated, unknown, last_seen_at, silent_for, silent,
  place, os, arch, engine, engine_version, agent_version, degraded, changed_at, first_seen_at, skipped,
  state
FROM fleet.hosts_now;
COMMENT ON COLUMN ops.hosts.state IS 'silent; degraded: it sends heartbeats, and its images may be out of date; well: neither.';

-- Counted once a minute. No row refers to a host, as in 0029_fleet_counts.
CREATE TABLE fleet.troubled_hosts (
  host_id bigint PRIMARY KEY
);
COMMENT ON TABLE fleet.troubled_hosts IS 'The hundred hosts that have been silent longest, and a hundred degraded ones, when they were last looked for.';
COMMENT ON COLUMN fleet.troubled_hosts.host_id IS 'The host.';

-- Counted anew within a minute; until then whoever asks counts.
DELETE FROM fleet.counted;
ALTER TABLE fleet.counted
  -- squawk-ignore adding-required-field, adding-not-nullable-field
  ADD COLUMN hosts bigint NOT NULL CHECK (hosts >= 0),
  -- squawk-ignore adding-required-field, adding-not-nullable-field
  ADD COLUMN silent_hosts bigint NOT NULL CHECK (silent_hosts >= 0),
  -- squawk-ignore adding-required-field, adding-not-nullable-field
  ADD COLUMN degraded_hosts bigint NOT NULL CHECK (degraded_hosts >= 0),
  -- squawk-ignore adding-required-field, adding-not-nullable-field
  ADD COLUMN images bigint NOT NULL CHECK (images >= 0),
  -- squawk-ignore adding-required-field, adding-not-nullable-field
  ADD COLUMN current bigint NOT NULL CHECK (current >= 0),
  -- squawk-ignore adding-required-field, adding-not-nullable-field
  ADD COLUMN outdated bigint NOT NULL CHECK (outdated >= 0),
  -- squawk-ignore adding-required-field, adding-not-nullable-field
  ADD COLUMN pinned bigint NOT NULL CHECK (pinned >= 0),
  -- squawk-ignore adding-required-field, adding-not-nullable-field
  ADD COLUMN local bigint NOT NULL CHECK (local >= 0),
  -- squawk-ignore adding-required-field, adding-not-nullable-field
  ADD COLUMN missing bigint NOT NULL CHECK (missing >= 0),
  -- squawk-ignore adding-required-field, adding-not-nullable-field
  ADD COLUMN unknown bigint NOT NULL CHECK (unknown >= 0),
  -- squawk-ignore adding-required-field, adding-not-nullable-field
  ADD COLUMN stale bigint NOT NULL CHECK (stale >= 0),
  ADD COLUMN exported_by uuid,
  ADD COLUMN exported_at timestamptz;
COMMENT ON TABLE fleet.counted IS 'The fleet in figures, and when it was last counted: one row, renewed every minute.';
COMMENT ON COLUMN fleet.counted.exported_by IS 'The process that counts, and alone has the figures in its metrics; null: none does.';
COMMENT ON COLUMN fleet.counted.exported_at IS 'When it last counted. Another one takes over when that is long ago.';

ALTER TABLE fleet.trend ADD COLUMN degraded_hosts bigint;

CREATE OR REPLACE VIEW ops.fleet_summary AS
SELECT
  h.hosts, h.silent_hosts,
  i.images, i.current, i.outdated, i.pinned, i.local, i.missing, i.unknown, i.stale,
  now() AS as_of,
  d.due, d.overdue, d.waiting, d.excused, d.counted_at AS due_as_of, d.due_versions,
  h.degraded_hosts
FROM (
  SELECT
    count(*) AS hosts, count(*) FILTER (WHERE s.silent_at < now()) AS silent_hosts,
    count(*) FILTER (WHERE fleet.state_of(s) = 'degraded') AS degraded_hosts
  FROM fleet.host_state AS s
  WHERE s.counts
) AS h
CROSS JOIN (
  SELECT
    coalesce(sum(u.hosts), 0) AS images,
    coalesce(sum(u.hosts) FILTER (WHERE j.verdict = 'current'), 0) AS current,
    coalesce(sum(u.hosts) FILTER (WHERE j.verdict = 'outdated'), 0) AS outdated,
    coalesce(sum(u.hosts) FILTER (WHERE j.verdict = 'pinned'), 0) AS pinned,
    coalesce(sum(u.hosts) FILTER (WHERE j.verdict = 'local'), 0) AS local,
    coalesce(sum(u.hosts) FILTER (WHERE j.verdict = 'missing'), 0) AS missing,
    coalesce(sum(u.hosts) FILTER (WHERE j.verdict = 'unknown'), 0) AS unknown,
    coalesce(sum(u.hosts) FILTER (WHERE j.stale), 0) AS stale
  FROM fleet.usage AS u
  JOIN fleet.judged AS j ON j.comparison_id = u.comparison_id
) AS i
LEFT JOIN fleet.due_counts AS d ON true;

CREATE OR REPLACE VIEW ops.trend AS
SELECT
  taken_at, hosts, silent_hosts, images, current, outdated, pinned, local, missing, unknown, stale,
  due, overdue, waiting, excused, due_versions, degraded_hosts
FROM fleet.trend;

CREATE VIEW ops.fleet_counts AS
SELECT
  c.counted_at,
  c.hosts, c.silent_hosts, c.degraded_hosts,
  c.images, c.current, c.outdated, c.pinned, c.local, c.missing, c.unknown, c.stale,
  d.due, d.overdue, d.waiting, d.excused, d.due_versions
FROM fleet.counted AS c
LEFT JOIN fleet.due_counts AS d ON true;
COMMENT ON VIEW ops.fleet_counts IS 'The whole fleet in one row, counted once a minute and read at no cost; no row before the first count. ops.fleet_summary counts now.';
COMMENT ON COLUMN ops.fleet_counts.counted_at IS 'When they were counted.';

CREATE VIEW ops.troubled_hosts AS
SELECT
  n.site, n.host, n.hostname, n.labels, n.place, n.state, n.last_seen_at, n.silent_for, n.degraded,
  k.counted_at
FROM fleet.troubled_hosts AS t
JOIN fleet.hosts_now AS n ON n.host_id = t.host_id
CROSS JOIN fleet.counted AS k
WHERE n.state <> 'well'
ORDER BY n.silent DESC, n.last_seen_at, n.site, n.host;
COMMENT ON VIEW ops.troubled_hosts IS 'The hundred hosts that have been silent longest, and a hundred degraded ones, looked for once a minute. ops.hosts has all of them, now.';
COMMENT ON COLUMN ops.troubled_hosts.counted_at IS 'When they were looked for.';

DO $$
DECLARE
  said record;
BEGIN
  FOR said IN
    SELECT v.oid::regclass AS name, c.attname, w.words
    FROM (VALUES
      ('hosts', 'Hosts that count.'),
      ('silent_hosts', 'Of the hosts: silent.'),
      ('degraded_hosts', 'Of the hosts: degraded, and not silent.'),
      ('images', 'Images, each counted on each host.'),
      ('current', 'Of the images: current.'),
      ('outdated', 'Of the images: outdated.'),
      ('pinned', 'Of the images: pinned.'),
      ('local', 'Of the images: local.'),
      ('missing', 'Of the images: missing.'),
      ('unknown', 'Of the images: unknown.'),
      ('stale', 'Of the images: stale.')
    ) AS w (name, words)
    JOIN pg_attribute AS c ON c.attname = w.name
    JOIN pg_class AS v ON v.oid = c.attrelid
    WHERE v.oid IN ('fleet.counted'::regclass, 'ops.fleet_counts'::regclass)
      OR (c.attname = 'degraded_hosts' AND v.oid IN ('ops.fleet_summary'::regclass, 'ops.trend'::regclass, 'fleet.trend'::regclass))
  LOOP
    EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', said.name, said.attname, said.words);
  END LOOP;
  -- The columns that views share say the same in each.
  FOR said IN
    SELECT v.attrelid::regclass AS name, v.attname, col_description(o.attrelid, o.attnum) AS words
    FROM (VALUES
      ('fleet.hosts_now'::regclass, 'ops.hosts'::regclass),
      ('ops.troubled_hosts'::regclass, 'ops.hosts'::regclass),
      ('ops.fleet_counts'::regclass, 'ops.fleet_summary'::regclass)
    ) AS t (name, source)
    JOIN pg_attribute AS v ON v.attrelid = t.name
    JOIN pg_attribute AS o ON o.attrelid = t.source AND o.attname = v.attname
    WHERE v.attnum > 0 AND v.attname NOT IN ('host_id', 'counted_at')
      AND col_description(v.attrelid, v.attnum) IS NULL
  LOOP
    EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', said.name, said.attname, said.words);
  END LOOP;
END
$$;
-- migrate: rollback
-- Forward only.
