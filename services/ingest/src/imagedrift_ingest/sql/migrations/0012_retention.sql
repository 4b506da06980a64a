-- What upkeep removes is found by indexes, and every table can be published
-- depends: 0011_turns
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '10min';

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX remote_history_closed_idx ON fleet.remote_history (valid_to) WHERE valid_to IS NOT NULL;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX comparisons_unused_idx ON fleet.comparisons (unused_since) WHERE unused_since IS NOT NULL;
-- An image that goes takes its unpublished changes with it, however many others wait.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX outbox_comparison_idx ON fleet.outbox (comparison_id);

-- A publication of all tables refuses to delete from a table whose rows have no identity. Nothing
-- more is written for it while there is none. Rows of a month's partition are never deleted: it is
-- dropped as a whole.
ALTER TABLE fleet.usage_changes REPLICA IDENTITY FULL;
ALTER TABLE fleet.host_changes REPLICA IDENTITY FULL;
ALTER TABLE fleet.host_changes_default REPLICA IDENTITY FULL;
-- migrate: rollback
-- Forward only.
