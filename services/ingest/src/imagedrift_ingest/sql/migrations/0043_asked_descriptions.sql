-- Digests that were asked about lately are found by an index
-- depends: 0042_backups
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '10min';

-- What was asked about in a day is counted at each look for digests to be described.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX descriptions_asked_idx ON fleet.descriptions (asked_at);
-- migrate: rollback
-- Forward only.
