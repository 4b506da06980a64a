-- What needs a look at every image of every host is counted once a minute, and read at no cost
-- depends: 0028_due_versions
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '10min';

-- None of these tables refers to hosts: a host that is given up meanwhile is left out by the views,
-- and counting locks nothing that ingest writes.
CREATE TABLE fleet.counted (
  id boolean PRIMARY KEY DEFAULT true CHECK (id),
  counted_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE fleet.counted IS 'When places and hosts were last counted: one row, renewed every minute.';
COMMENT ON COLUMN fleet.counted.id IS 'Always true: there is one row at most.';
COMMENT ON COLUMN fleet.counted.counted_at IS 'When they were counted.';

CREATE TABLE fleet.place_counts (
  place text PRIMARY KEY CHECK (place <> ''),
  hosts bigint NOT NULL CHECK (hosts > 0),
  outdated bigint NOT NULL CHECK (outdated BETWEEN 0 AND hosts),
  silent bigint NOT NULL CHECK (silent BETWEEN 0 AND hosts),
  outdated_images bigint NOT NULL CHECK (outdated_images >= outdated)
);
COMMENT ON TABLE fleet.place_counts IS 'The hosts of each place, as they were last counted.';
COMMENT ON COLUMN fleet.place_counts.place IS 'The whole place of these hosts.';
COMMENT ON COLUMN fleet.place_counts.hosts IS 'How many hosts.';
COMMENT ON COLUMN fleet.place_counts.outdated IS 'Of the hosts: with at least one outdated image.';
COMMENT ON COLUMN fleet.place_counts.silent IS 'Of the hosts: silent.';
COMMENT ON COLUMN fleet.place_counts.outdated_images IS 'Outdated images on these hosts.';

CREATE TABLE fleet.worst_hosts (
  host_id bigint PRIMARY KEY,
  outdated bigint NOT NULL CHECK (outdated > 0),
  unknown bigint NOT NULL CHECK (unknown >= 0),
  outdated_running bigint NOT NULL CHECK (outdated_running BETWEEN 0 AND outdated)
);
COMMENT ON TABLE fleet.worst_hosts IS 'The hundred hosts with most outdated images, as they were last counted.';
COMMENT ON COLUMN fleet.worst_hosts.host_id IS 'The host.';
COMMENT ON COLUMN fleet.worst_hosts.outdated IS 'How many of its images were outdated.';
COMMENT ON COLUMN fleet.worst_hosts.unknown IS 'Of how many nothing was known.';
COMMENT ON COLUMN fleet.worst_hosts.outdated_running IS 'Of the outdated: with a running container.';

CREATE TABLE fleet.longest_outdated (
  host_id bigint NOT NULL,
  comparison_id bigint NOT NULL,
  PRIMARY KEY (host_id, comparison_id)
);
COMMENT ON TABLE fleet.longest_outdated IS 'The hundred images of hosts that had been outdated longest when they were last looked for.';
COMMENT ON COLUMN fleet.longest_outdated.host_id IS 'The host.';
COMMENT ON COLUMN fleet.longest_outdated.comparison_id IS 'The local image.';

-- What is counted, at this moment. See 0015_behind for the array of keys.
CREATE VIEW fleet.host_counts_now AS
WITH behind AS MATERIALIZED (
  SELECT
    i.host_id, sum(i.outdated) AS outdated, count(*) - sum(i.outdated) AS unknown,
    count(*) FILTER (WHERE i.running > 0) AS outdated_running
  FROM (
    SELECT hi.host_id, 1 AS outdated, hi.running
    FROM fleet.host_images AS hi
    WHERE hi.comparison_id = ANY (ARRAY(SELECT comparison_id FROM fleet.comparisons WHERE verdict = 'outdated'))
    UNION ALL
    SELECT hi.host_id, 0, 0
    FROM fleet.host_images AS hi
    WHERE hi.comparison_id = ANY (ARRAY(SELECT comparison_id FROM fleet.comparisons WHERE verdict = 'unknown'))
  ) AS i
  GROUP BY i.host_id
)
SELECT
  s.host_id, s.images::bigint AS images, s.silent_at < now() AS is_silent,
  coalesce(b.outdated, 0) AS outdated, coalesce(b.unknown, 0) AS unknown,
  coalesce(b.outdated_running, 0) AS outdated_running
FROM fleet.host_state AS s
LEFT JOIN behind AS b ON b.host_id = s.host_id
WHERE s.counts;
COMMENT ON VIEW fleet.host_counts_now IS 'What is behind on each host at this moment: it looks at every image that is.';
COMMENT ON COLUMN fleet.host_counts_now.host_id IS 'The host.';
COMMENT ON COLUMN fleet.host_counts_now.images IS 'Its images.';
COMMENT ON COLUMN fleet.host_counts_now.is_silent IS 'Whether it is silent.';
COMMENT ON COLUMN fleet.host_counts_now.outdated IS 'Its outdated images.';
COMMENT ON COLUMN fleet.host_counts_now.unknown IS 'Its images of which nothing is known.';
COMMENT ON COLUMN fleet.host_counts_now.outdated_running IS 'Of the outdated: with a running container.';

CREATE OR REPLACE VIEW ops.host_counts AS
SELECT
  h.site, h.host, h.hostname, h.labels, h.place,
  c.images, c.outdated, c.unknown, c.outdated_running
FROM fleet.host_counts_now AS c
JOIN fleet.hosts AS h ON h.host_id = c.host_id;

CREATE VIEW fleet.place_counts_now AS
SELECT
  h.place, count(*) AS hosts, count(*) FILTER (WHERE c.outdated > 0) AS outdated,
  count(*) FILTER (WHERE c.is_silent) AS silent, sum(c.outdated)::bigint AS outdated_images
FROM fleet.host_counts_now AS c
JOIN fleet.hosts AS h ON h.host_id = c.host_id
WHERE h.place <> ''
GROUP BY h.place;
COMMENT ON VIEW fleet.place_counts_now IS 'The hosts of each place at this moment.';
COMMENT ON COLUMN fleet.place_counts_now.place IS 'The whole place of these hosts.';
COMMENT ON COLUMN fleet.place_counts_now.hosts IS 'How many hosts.';
COMMENT ON COLUMN fleet.place_counts_now.outdated IS 'Of the hosts: with at least one outdated image.';
COMMENT ON COLUMN fleet.place_counts_now.silent IS 'Of the hosts: silent.';
COMMENT ON COLUMN fleet.place_counts_now.outdated_images IS 'Outdated images on these hosts.';

-- Until places were counted for the first time, they are counted by whoever asks.
CREATE OR REPLACE VIEW ops.places AS
WITH counted AS (
  SELECT string_to_array(p.place, '/') AS parts, p.hosts, p.outdated, p.silent, p.outdated_images
  FROM (
    SELECT place, hosts, outdated, silent, outdated_images FROM fleet.place_counts
    UNION ALL
    SELECT place, hosts, outdated, silent, outdated_images FROM fleet.place_counts_now
    WHERE NOT EXISTS (SELECT FROM fleet.counted)
  ) AS p
)
SELECT
  array_to_string(c.parts[:l.level], '/') AS place, l.level,
  sum(c.hosts)::bigint AS hosts, sum(c.outdated)::bigint AS outdated, sum(c.silent)::bigint AS silent,
  sum(c.outdated_images)::bigint AS outdated_images,
  coalesce((SELECT k.counted_at FROM fleet.counted AS k), now()) AS counted_at
FROM counted AS c
CROSS JOIN LATERAL generate_series(1, cardinality(c.parts)) AS l (level)
GROUP BY 1, 2;
COMMENT ON VIEW ops.places IS 'Hosts rolled up along their places: one row per place at each level, counted once a minute.';
COMMENT ON COLUMN ops.places.counted_at IS 'When they were counted.';

CREATE VIEW ops.worst_hosts AS
SELECT
  h.site, h.host, h.hostname, h.labels, h.place,
  s.images::bigint AS images, w.outdated, w.unknown, w.outdated_running,
  k.counted_at
FROM fleet.worst_hosts AS w
JOIN fleet.host_state AS s ON s.host_id = w.host_id
JOIN fleet.hosts AS h ON h.host_id = w.host_id
CROSS JOIN fleet.counted AS k
WHERE s.counts
ORDER BY w.outdated DESC, h.site, h.host;
COMMENT ON VIEW ops.worst_hosts IS 'The hundred hosts with most outdated images, counted once a minute. ops.host_counts counts all hosts, now.';
COMMENT ON COLUMN ops.worst_hosts.site IS 'Namespace of the host.';
COMMENT ON COLUMN ops.worst_hosts.host IS 'The host, unique within its site.';
COMMENT ON COLUMN ops.worst_hosts.hostname IS 'Name of the machine.';
COMMENT ON COLUMN ops.worst_hosts.labels IS 'Labels of the host.';
COMMENT ON COLUMN ops.worst_hosts.place IS 'Where it is, from the outside in.';
COMMENT ON COLUMN ops.worst_hosts.images IS 'Images on it now.';
COMMENT ON COLUMN ops.worst_hosts.outdated IS 'Of the images: outdated, when they were counted.';
COMMENT ON COLUMN ops.worst_hosts.unknown IS 'Of the images: unknown, when they were counted.';
COMMENT ON COLUMN ops.worst_hosts.outdated_running IS 'Of the outdated: with a running container.';
COMMENT ON COLUMN ops.worst_hosts.counted_at IS 'When they were counted.';

CREATE VIEW ops.longest_outdated AS
SELECT
  h.site, h.host, h.hostname, h.labels, h.place, r.reference,
  now() - greatest(c.verdict_since, hi.since) AS outdated_for, hi.running, k.counted_at
FROM fleet.longest_outdated AS l
JOIN fleet.host_images AS hi ON hi.host_id = l.host_id AND hi.comparison_id = l.comparison_id
JOIN fleet.comparisons AS c ON c.comparison_id = l.comparison_id
JOIN fleet.hosts AS h ON h.host_id = l.host_id
LEFT JOIN fleet.image_refs AS r ON r.ref_id = c.ref_id
CROSS JOIN fleet.counted AS k
WHERE c.verdict = 'outdated'
ORDER BY greatest(c.verdict_since, hi.since), h.site, h.host, r.reference;
COMMENT ON VIEW ops.longest_outdated IS 'The hundred images of hosts that have been outdated longest, looked for once a minute. ops.outdated has all of them, now.';
COMMENT ON COLUMN ops.longest_outdated.site IS 'Namespace of the host.';
COMMENT ON COLUMN ops.longest_outdated.host IS 'The host, unique within its site.';
COMMENT ON COLUMN ops.longest_outdated.hostname IS 'Name of the machine.';
COMMENT ON COLUMN ops.longest_outdated.labels IS 'Labels of the host.';
COMMENT ON COLUMN ops.longest_outdated.place IS 'Where it is, from the outside in.';
COMMENT ON COLUMN ops.longest_outdated.reference IS 'The reference.';
COMMENT ON COLUMN ops.longest_outdated.outdated_for IS 'For how long it has been outdated on this host.';
COMMENT ON COLUMN ops.longest_outdated.running IS 'How many of its containers run.';
COMMENT ON COLUMN ops.longest_outdated.counted_at IS 'When they were looked for.';

-- Moments that a clock without a battery or a foreign program could make infinite. Rows of before are
-- not read for it: ingest wrote none.
ALTER TABLE fleet.host_state ADD CONSTRAINT host_state_moments CHECK (
  isfinite(last_seen_at) AND isfinite(changed_at) AND isfinite(reconciled_at)) NOT VALID;
ALTER TABLE fleet.host_images ADD CONSTRAINT host_images_since CHECK (isfinite(since)) NOT VALID;
ALTER TABLE fleet.outbox ADD CONSTRAINT outbox_changed_at CHECK (isfinite(changed_at)) NOT VALID;
ALTER TABLE fleet.dead_letters ADD CONSTRAINT dead_letters_first CHECK (isfinite(first_received_at)) NOT VALID;
-- migrate: rollback
-- Forward only.
