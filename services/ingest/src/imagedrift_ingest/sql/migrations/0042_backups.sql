-- A stream that was restored from a backup replaces nothing newer, whenever it is read again
-- depends: 0041_patterns
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '1min';

-- NATS makes a stream anew to restore it. What the stream took in before it was made is of the backup:
-- that the stream is younger says nothing of it.
CREATE OR REPLACE FUNCTION fleet.order_of(
  epoch bigint, seq bigint, at timestamptz, old_epoch bigint, old_seq bigint, old_at timestamptz
) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
  WHEN at < old_at AND at < '1970-01-01 00:00+00'::timestamptz + epoch * interval '1 microsecond' THEN 'older'
  WHEN (epoch, seq) > (old_epoch, old_seq) THEN CASE WHEN at < old_at THEN 'doubtful' ELSE 'newer' END
  WHEN at > old_at OR epoch < old_epoch THEN 'doubtful'
  ELSE 'older'
END;
-- migrate: rollback
-- Forward only.
