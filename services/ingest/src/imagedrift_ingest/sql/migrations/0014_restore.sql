-- Keys that no other life of the database gives again, and when what is stored was said
-- depends: 0013_roles
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '1min';

-- Ingest remembers keys. A database that was restored counts on from an earlier place, and would
-- give the keys that it lost to others: what was said of one host would be stored for another. So a
-- key begins with the moment when it was given, which a restored database is past. Then comes a
-- number, so that no two of a millisecond are the same, and chance, for a machine whose clock was
-- taken back together with its disk.
CREATE SEQUENCE fleet.keys CACHE 1;
COMMENT ON SEQUENCE fleet.keys IS 'Tells keys of the same millisecond apart.';
CREATE FUNCTION fleet.new_key() RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL UNSAFE
RETURN ((extract(epoch FROM clock_timestamp()) * 1000)::bigint << 21)
  | ((nextval('fleet.keys') & 16383) << 7) | (random() * 127)::bigint;
COMMENT ON FUNCTION fleet.new_key() IS 'A key that was never given before, also not in a life of the database that a restore has undone.';

-- squawk-ignore ban-alter-identity
ALTER TABLE fleet.hosts ALTER COLUMN host_id DROP IDENTITY;
ALTER TABLE fleet.hosts ALTER COLUMN host_id SET DEFAULT fleet.new_key();
-- squawk-ignore ban-alter-identity
ALTER TABLE fleet.image_refs ALTER COLUMN ref_id DROP IDENTITY;
ALTER TABLE fleet.image_refs ALTER COLUMN ref_id SET DEFAULT fleet.new_key();
-- squawk-ignore ban-alter-identity
ALTER TABLE fleet.comparisons ALTER COLUMN comparison_id DROP IDENTITY;
ALTER TABLE fleet.comparisons ALTER COLUMN comparison_id SET DEFAULT fleet.new_key();
COMMENT ON COLUMN fleet.hosts.host_id IS 'Key, never given again.';
COMMENT ON COLUMN fleet.image_refs.ref_id IS 'Key, never given again.';
COMMENT ON COLUMN fleet.comparisons.comparison_id IS 'Key, never given again.';

COMMENT ON TABLE fleet.generation IS 'One row: when the database was emptied last, and by which rules it is judged.';

-- A stream that is restored from a backup counts on from an earlier place: what is said later under
-- a lower sequence is told from what is old by when its stream took it in.
ALTER TABLE fleet.host_state ADD COLUMN said_at timestamptz;
COMMENT ON COLUMN fleet.host_state.said_at IS 'When its stream took in the newest inventory.';
CREATE FUNCTION fleet.order_of(
  epoch bigint, seq bigint, at timestamptz, old_epoch bigint, old_seq bigint, old_at timestamptz
) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
  WHEN (epoch, seq) > (old_epoch, old_seq) THEN CASE WHEN at < old_at THEN 'doubtful' ELSE 'newer' END
  WHEN at > old_at OR epoch < old_epoch THEN 'doubtful'
  ELSE 'older'
END;
COMMENT ON FUNCTION fleet.order_of(bigint, bigint, timestamptz, bigint, bigint, timestamptz) IS 'How a message stands to the one that is stored: newer, older, or doubtful, where place and moment do not agree and its stream has to be asked.';
COMMENT ON COLUMN fleet.host_state.seq IS 'Place of the newest inventory in its stream: see fleet.order_of.';
COMMENT ON COLUMN fleet.answers.seq IS 'Place of the newest answer in the bucket: see fleet.order_of.';
COMMENT ON COLUMN fleet.registry_states.seq IS 'Place in the bucket: see fleet.order_of.';

-- A database that was taken back to an earlier moment lacks what ingest acknowledged since, and no
-- message of it would ever come again. So whoever writes turns a bookmark with each batch: one that
-- is not where it was left tells of it, and everything on NATS is read again.
CREATE TABLE fleet.bookmarks (
  bookmark uuid PRIMARY KEY,
  stream text COLLATE "C" NOT NULL,
  turn bigint NOT NULL,
  epoch bigint NOT NULL,
  seq bigint NOT NULL,
  noted_at timestamptz NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE fleet.bookmarks IS 'How far ingest has read: a few rows for each process, one for each batch that it stores at a time, dropped after a week.';
COMMENT ON COLUMN fleet.bookmarks.bookmark IS 'Name, given by the process at random.';
COMMENT ON COLUMN fleet.bookmarks.stream IS 'The stream that is read.';
COMMENT ON COLUMN fleet.bookmarks.turn IS 'How many batches were stored under it.';
COMMENT ON COLUMN fleet.bookmarks.epoch IS 'When the stream was created, in microseconds.';
COMMENT ON COLUMN fleet.bookmarks.seq IS 'The last sequence that was stored.';
COMMENT ON COLUMN fleet.bookmarks.noted_at IS 'When that was stored.';
-- migrate: rollback
-- Forward only.
