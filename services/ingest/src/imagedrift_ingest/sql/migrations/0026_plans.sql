-- Plans: which hosts get which digest in which ring, and how far they are
-- depends: 0024_due
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '1min';

CREATE TABLE fleet.plans (
  plan_id bigint PRIMARY KEY DEFAULT fleet.new_key(),
  made_at timestamptz NOT NULL DEFAULT now(),
  made_by text NOT NULL DEFAULT session_user,
  what text NOT NULL CHECK (octet_length(what) <= 10000),
  selector jsonb NOT NULL CHECK (jsonb_typeof(selector) = 'object' AND octet_length(selector::text) <= 4096),
  rings numeric[] NOT NULL CHECK (cardinality(rings) BETWEEN 1 AND 20),
  note text NOT NULL CHECK (octet_length(note) <= 1000)
);
COMMENT ON TABLE fleet.plans IS 'Plans that somebody saved.';
COMMENT ON COLUMN fleet.plans.plan_id IS 'Key; a later plan has a greater one.';
COMMENT ON COLUMN fleet.plans.made_at IS 'When it was made.';
COMMENT ON COLUMN fleet.plans.made_by IS 'The login that made it.';
COMMENT ON COLUMN fleet.plans.what IS 'The references that it updates, or `due`.';
COMMENT ON COLUMN fleet.plans.selector IS 'The hosts that it is about: site, place, label; {} for all.';
COMMENT ON COLUMN fleet.plans.rings IS 'The share of all hosts that each ring has.';
COMMENT ON COLUMN fleet.plans.note IS 'What it is for.';

CREATE TABLE fleet.plan_targets (
  plan_id bigint NOT NULL REFERENCES fleet.plans ON DELETE CASCADE,
  ref_id bigint NOT NULL,
  digest text COLLATE "C" NOT NULL CHECK (fleet.is_digest(digest)),
  PRIMARY KEY (plan_id, ref_id)
);
COMMENT ON TABLE fleet.plan_targets IS 'What each reference of a plan pointed to when the plan was made.';
COMMENT ON COLUMN fleet.plan_targets.plan_id IS 'The plan.';
COMMENT ON COLUMN fleet.plan_targets.ref_id IS 'The reference. No key of it is used twice, so that one that goes is missing and no other.';
COMMENT ON COLUMN fleet.plan_targets.digest IS 'The digest that hosts are to have.';

CREATE TABLE fleet.plan_hosts (
  plan_id bigint NOT NULL REFERENCES fleet.plans ON DELETE CASCADE,
  host_id bigint NOT NULL,
  ref_id bigint NOT NULL,
  ring integer NOT NULL CHECK (ring BETWEEN 1 AND 20),
  running_before integer NOT NULL CHECK (running_before >= 0),
  PRIMARY KEY (plan_id, host_id, ref_id)
);
COMMENT ON TABLE fleet.plan_hosts IS 'The hosts of a plan: written once, when it is saved.';
COMMENT ON COLUMN fleet.plan_hosts.plan_id IS 'The plan.';
COMMENT ON COLUMN fleet.plan_hosts.host_id IS 'The host. No key of it is used twice.';
COMMENT ON COLUMN fleet.plan_hosts.ref_id IS 'The reference.';
COMMENT ON COLUMN fleet.plan_hosts.ring IS 'Its ring, from 1.';
COMMENT ON COLUMN fleet.plan_hosts.running_before IS 'How many containers of the reference ran when the plan was made.';

-- By inventories alone. A host that is on what its tag points to now is done, also when the tag has
-- moved on since. One that has nothing of the reference any more has nothing left to update, but what
-- ran there runs no more.
CREATE VIEW fleet.plan_states AS
SELECT
  p.plan_id, p.host_id, p.ref_id, p.ring, p.running_before, t.digest, n.running,
  CASE
    WHEN n.has_new AND n.running_new >= p.running_before THEN 'done'
    WHEN s.silent_at < now() OR NOT s.counts THEN 'silent'
    WHEN n.running IS NULL AND p.running_before = 0 THEN 'done'
    WHEN (n.has_new OR n.running IS NULL) AND coalesce(n.running, 0) < p.running_before THEN 'regressed'
    ELSE 'waiting'
  END AS state
FROM fleet.plan_hosts AS p
JOIN fleet.plan_targets AS t ON t.plan_id = p.plan_id AND t.ref_id = p.ref_id
JOIN fleet.host_state AS s ON s.host_id = p.host_id
CROSS JOIN LATERAL (
  SELECT
    sum(hi.running)::integer AS running,
    coalesce(sum(hi.running) FILTER (WHERE c.verdict = 'current' OR t.digest = ANY (c.repo_digests)), 0)::integer AS running_new,
    coalesce(bool_or(c.verdict = 'current' OR t.digest = ANY (c.repo_digests)), false) AS has_new
  FROM fleet.comparisons AS c
  JOIN fleet.host_images AS hi ON hi.comparison_id = c.comparison_id
  WHERE c.ref_id = p.ref_id AND hi.host_id = p.host_id
) AS n;
COMMENT ON VIEW fleet.plan_states IS 'How far each host of a plan is.';
COMMENT ON COLUMN fleet.plan_states.plan_id IS 'The plan.';
COMMENT ON COLUMN fleet.plan_states.host_id IS 'The host.';
COMMENT ON COLUMN fleet.plan_states.ref_id IS 'The reference.';
COMMENT ON COLUMN fleet.plan_states.ring IS 'Its ring, from 1.';
COMMENT ON COLUMN fleet.plan_states.running_before IS 'How many containers ran when the plan was made.';
COMMENT ON COLUMN fleet.plan_states.digest IS 'The digest that it is to have.';
COMMENT ON COLUMN fleet.plan_states.running IS 'How many run now; null where nothing of the reference is there.';
COMMENT ON COLUMN fleet.plan_states.state IS 'waiting, done, silent or regressed.';

CREATE VIEW ops.plans AS
SELECT
  p.plan_id, p.made_at, p.made_by AS by, p.what, p.selector, g.ring, p.rings[g.ring] AS share,
  coalesce(n.hosts, 0) AS hosts, coalesce(n.images, 0) AS images, coalesce(n.done, 0) AS done,
  coalesce(n.waiting, 0) AS waiting, coalesce(n.silent, 0) AS silent, coalesce(n.regressed, 0) AS regressed, p.note
FROM fleet.plans AS p
CROSS JOIN LATERAL generate_subscripts(p.rings, 1) AS g (ring)
LEFT JOIN (
  SELECT
    plan_id, ring, count(DISTINCT host_id) AS hosts, count(*) AS images,
    count(*) FILTER (WHERE state = 'done') AS done,
    count(*) FILTER (WHERE state = 'waiting') AS waiting,
    count(*) FILTER (WHERE state = 'silent') AS silent,
    count(*) FILTER (WHERE state = 'regressed') AS regressed
  FROM fleet.plan_states
  GROUP BY plan_id, ring
) AS n ON n.plan_id = p.plan_id AND n.ring = g.ring;
COMMENT ON VIEW ops.plans IS 'Saved plans and how far they are: one row for each ring.';
COMMENT ON COLUMN ops.plans.plan_id IS 'Key of the plan; a later one has a greater one.';
COMMENT ON COLUMN ops.plans.made_at IS 'When it was made.';
COMMENT ON COLUMN ops.plans.by IS 'The login that made it.';
COMMENT ON COLUMN ops.plans.what IS 'The references that it updates, or due.';
COMMENT ON COLUMN ops.plans.selector IS 'The hosts that it is about: site, place, label; {} for all.';
COMMENT ON COLUMN ops.plans.ring IS 'The ring, from 1.';
COMMENT ON COLUMN ops.plans.share IS 'Its share of all hosts.';
COMMENT ON COLUMN ops.plans.hosts IS 'Hosts of the plan in this ring.';
COMMENT ON COLUMN ops.plans.images IS 'References to update on them, each counted on each host.';
COMMENT ON COLUMN ops.plans.done IS 'Of these: on the new image, and as many containers run as before.';
COMMENT ON COLUMN ops.plans.waiting IS 'Of these: not updated yet.';
COMMENT ON COLUMN ops.plans.silent IS 'Of these: not updated when the host was last heard, and it is silent.';
COMMENT ON COLUMN ops.plans.regressed IS 'Of these: updated or gone, and fewer containers run than before.';
COMMENT ON COLUMN ops.plans.note IS 'What the plan is for.';

CREATE VIEW ops.plan_hosts AS
SELECT
  s.plan_id, s.ring, h.site, h.host, h.hostname, r.reference, s.digest, s.state,
  s.running_before, coalesce(s.running, 0) AS running,
  ARRAY(
    SELECT DISTINCT name
    FROM fleet.comparisons AS c
    JOIN fleet.host_images AS hi ON hi.comparison_id = c.comparison_id
    CROSS JOIN LATERAL unnest(hi.containers) AS name
    WHERE c.ref_id = s.ref_id AND hi.host_id = s.host_id
    ORDER BY name
  ) AS containers,
  h.labels, h.place
FROM fleet.plan_states AS s
JOIN fleet.hosts AS h ON h.host_id = s.host_id
JOIN fleet.image_refs AS r ON r.ref_id = s.ref_id;
COMMENT ON VIEW ops.plan_hosts IS 'The hosts of saved plans: what each is to have, and how far it is.';
COMMENT ON COLUMN ops.plan_hosts.plan_id IS 'The plan.';
COMMENT ON COLUMN ops.plan_hosts.ring IS 'Its ring, from 1: by a hash of site and host, the same in every plan.';
COMMENT ON COLUMN ops.plan_hosts.site IS 'Site of the host.';
COMMENT ON COLUMN ops.plan_hosts.host IS 'Identifier of the host within its site.';
COMMENT ON COLUMN ops.plan_hosts.hostname IS 'Name that the host has for itself.';
COMMENT ON COLUMN ops.plan_hosts.reference IS 'The reference to update.';
COMMENT ON COLUMN ops.plan_hosts.digest IS 'The digest that it is to have.';
COMMENT ON COLUMN ops.plan_hosts.state IS 'By its inventories: waiting, done, silent (and not done), or regressed (fewer containers run than before).';
COMMENT ON COLUMN ops.plan_hosts.running_before IS 'How many containers of the reference ran when the plan was made.';
COMMENT ON COLUMN ops.plan_hosts.running IS 'How many run now.';
COMMENT ON COLUMN ops.plan_hosts.containers IS 'Names of the containers made from the reference.';
COMMENT ON COLUMN ops.plan_hosts.labels IS 'Labels of the host, key to value.';
COMMENT ON COLUMN ops.plan_hosts.place IS 'Where the host sits.';

CREATE FUNCTION fleet.check_plan(refs text[], rings numeric[], note text) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  fault text;
  unknown text;
BEGIN
  SELECT r INTO unknown FROM unnest(refs) AS r
  WHERE NOT EXISTS (SELECT FROM fleet.image_refs AS i WHERE i.reference = r)
  LIMIT 1;
  fault := CASE
    WHEN cardinality(refs) NOT BETWEEN 1 AND 100 THEN 'name 1 to 100 references, or none for all that is due'
    WHEN octet_length(note) > 1000 THEN 'the note has at most 1000 bytes'
    WHEN coalesce(cardinality(rings), 0) NOT BETWEEN 1 AND 20 THEN 'a plan has 1 to 20 rings'
    WHEN EXISTS (SELECT FROM unnest(rings) AS share WHERE coalesce(share, 'NaN') NOT BETWEEN 0 AND 1)
      OR (SELECT sum(share) FROM unnest(rings) AS share) > 1
      THEN 'rings: the shares are from 0 to 1, and all together at most 1'
    WHEN unknown IS NOT NULL OR array_position(refs, NULL) IS NOT NULL
      THEN format('no host has the reference %s', coalesce(unknown, 'null'))
  END;
  IF fault IS NOT NULL THEN
    RAISE EXCEPTION '%', fault USING ERRCODE = 'invalid_parameter_value';
  END IF;
END
$$;
COMMENT ON FUNCTION fleet.check_plan(text[], numeric[], text) IS 'Refuses a plan that cannot be made.';

-- A host keeps its place whatever plan is made and however many hosts there are.
CREATE FUNCTION fleet.share_of(site text, host text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('x' || substr(md5(site || '/' || host), 1, 8))::bit(32)::bigint / 4294967296.0;
COMMENT ON FUNCTION fleet.share_of(text, text) IS 'Where a host is between 0 and 1, by a hash of its name: the first rings have the lowest.';

-- Without references: all that is due, as ops.due has it. A reference that is named is planned for
-- every host that is outdated, excused or not: whoever names it has decided.
CREATE FUNCTION ops.make_plan(
  refs text[], rings numeric[], selector jsonb DEFAULT '{}', note text DEFAULT ''
) RETURNS TABLE (plan_id bigint, images bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
  chosen jsonb := coalesce(selector, '{}');
  label text := coalesce(selector, '{}') ->> 'label';
  ends numeric[];
  made bigint;
  planned bigint;
BEGIN
  PERFORM fleet.check_selector(chosen);
  PERFORM fleet.check_plan(refs, rings, note);
  ends := ARRAY(SELECT sum(r.share) OVER (ORDER BY r.nth) FROM unnest(rings) WITH ORDINALITY AS r (share, nth) ORDER BY r.nth);
  INSERT INTO fleet.plans (what, selector, rings, note)
  VALUES (coalesce(array_to_string(refs, ', '), 'due'), chosen, rings, coalesce(btrim(note), ''))
  RETURNING plans.plan_id INTO made;
  WITH wanted AS MATERIALIZED (
    SELECT d.host_id, d.ref_id, d.remote_digest, width_bucket(fleet.share_of(d.site, d.host), ends) + 1 AS ring
    FROM fleet.due_rows AS d
    JOIN fleet.hosts AS h ON h.host_id = d.host_id
    WHERE d.ref_id = ANY (ARRAY(SELECT r.ref_id FROM fleet.image_refs AS r WHERE refs IS NULL OR r.reference = ANY (refs)))
      AND (refs IS NOT NULL OR (NOT d.is_excused AND d.due_at <= now()))
      AND fleet.fits(h, chosen ->> 'site', rtrim(chosen ->> 'place', '/'), split_part(label, '=', 1), substr(label, strpos(label, '=') + 1))
  ), targets AS (
    INSERT INTO fleet.plan_targets (plan_id, ref_id, digest)
    SELECT DISTINCT made, w.ref_id, w.remote_digest FROM wanted AS w WHERE w.ring <= cardinality(rings)
  )
  INSERT INTO fleet.plan_hosts (plan_id, host_id, ref_id, ring, running_before)
  SELECT made, w.host_id, w.ref_id, w.ring, sum(hi.running)
  FROM (SELECT DISTINCT host_id, ref_id, ring FROM wanted) AS w
  JOIN fleet.comparisons AS c ON c.ref_id = w.ref_id
  JOIN fleet.host_images AS hi ON hi.comparison_id = c.comparison_id AND hi.host_id = w.host_id
  WHERE w.ring <= cardinality(rings)
  GROUP BY w.host_id, w.ref_id, w.ring;
  GET DIAGNOSTICS planned = ROW_COUNT;
  IF planned > 100000 THEN
    RAISE EXCEPTION 'the plan has % images of hosts, more than 100000: choose references, or hosts by a selector', planned
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  RETURN QUERY SELECT made, planned;
END
$$;
COMMENT ON FUNCTION ops.make_plan(text[], numeric[], jsonb, text) IS 'Saves a plan; its key, and how many images of hosts it has.';
REVOKE ALL ON FUNCTION ops.make_plan(text[], numeric[], jsonb, text) FROM PUBLIC;
-- migrate: rollback
-- Forward only.
