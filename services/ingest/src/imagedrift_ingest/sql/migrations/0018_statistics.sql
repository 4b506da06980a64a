-- No statistics of what no statement searches by: taking them was most of the work of ANALYZE
-- depends: 0017_command
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '10min';

ALTER TABLE fleet.comparisons
  ALTER COLUMN image_id SET STATISTICS 0,
  ALTER COLUMN repo_digests SET STATISTICS 0,
  ALTER COLUMN manifest_digest SET STATISTICS 0,
  ALTER COLUMN identity SET STATISTICS 0,
  ALTER COLUMN asked_inside SET STATISTICS 0,
  ALTER COLUMN size_bytes SET STATISTICS 0,
  ALTER COLUMN created_at SET STATISTICS 0;
-- migrate: rollback
-- Forward only.
