-- How many hosts use a registry, so that those that one host made up come last in every list
-- depends: 0044_faster_first
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '1min';

-- Any host can make up registries, and let all of them block us. References stand in the index in the
-- order of their registries: `0` is what follows `/`. Who does not ask for the column does not pay for it.
CREATE OR REPLACE VIEW ops.registries AS
SELECT
  s.registry, s.credential, s.rate_limit, s.rate_remaining, make_interval(secs => s.rate_window_s) AS rate_window,
  s.rate_reset_at, greatest(s.blocked_until, s.get_blocked_until) AS blocked_until,
  s.last_status, s.last_error, s.observed_at,
  coalesce((
    SELECT max(a.hosts)
    FROM fleet.image_refs AS r
    JOIN fleet.answers AS a ON a.ref_id = r.ref_id
    WHERE r.reference >= s.registry || '/' AND r.reference < s.registry || '0'
  ), 0) AS hosts
FROM fleet.registry_states AS s;
COMMENT ON COLUMN ops.registries.hosts IS 'Hosts that have the image of it that most hosts have.';
-- migrate: rollback
-- Forward only.
