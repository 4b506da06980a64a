-- Comments say inventory, heartbeat and maintenance, as every page does
-- depends: 0034_own_dates
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '1min';

COMMENT ON TABLE fleet.host_state IS 'Facts that change with every heartbeat. Narrow and without a second index, so that updates stay in their page.';
COMMENT ON COLUMN fleet.host_state.last_seen_at IS 'When it last sent an inventory or a heartbeat.';
COMMENT ON COLUMN fleet.host_state.silent_at IS 'When it counts as silent, unless it sends something before: three intervals after its last inventory or heartbeat.';
COMMENT ON COLUMN fleet.host_state.behind IS 'Whether its last heartbeat named other images than those that are stored.';
COMMENT ON TABLE fleet.image_refs IS 'References in canonical form. Rows are never changed.';
COMMENT ON TABLE fleet.usage_totals IS 'How many hosts have each distinct image, as far as changes were added up: a row for each, changed by maintenance only.';
COMMENT ON COLUMN fleet.hosts_now.last_seen_at IS 'When it last sent an inventory or a heartbeat.';
COMMENT ON COLUMN ops.hosts.last_seen_at IS 'When it last sent an inventory or a heartbeat.';
COMMENT ON COLUMN ops.troubled_hosts.last_seen_at IS 'When it last sent an inventory or a heartbeat.';
-- migrate: rollback
-- Forward only.
