-- Dead letters by a key of their own, and moments that cannot be, as older versions stored them
-- depends: 0018_statistics
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '10min';

-- A stream that was restored gives its sequences again, to other letters. Ingest of before this names
-- the old key, so that its letters wait for the new one.
-- squawk-ignore ban-drop-constraint
ALTER TABLE fleet.dead_letters DROP CONSTRAINT dead_letters_pkey;
-- Rewrites the letters of 30 days; nobody but ingest waits, and only with letters.
-- squawk-ignore adding-serial-primary-key-field, adding-field-with-default
ALTER TABLE fleet.dead_letters ADD COLUMN letter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;
ALTER TABLE fleet.dead_letters ALTER COLUMN hour SET DEFAULT clock_timestamp();
COMMENT ON COLUMN fleet.dead_letters.letter_id IS 'Key of the row.';

-- What `core.times` does since 0010_border with what comes in. A minute is two clocks' difference.
UPDATE fleet.comparisons SET created_at = NULL
WHERE created_at <= 'epoch' OR created_at > now() + interval '1 day';
UPDATE fleet.comparisons SET verdict_since = now()
WHERE verdict_since <= 'epoch' OR verdict_since > now() + interval '1 minute';
UPDATE fleet.answers SET next_check_at = now()
WHERE attempted_at > now() + interval '1 minute' AND next_check_at > now();
UPDATE fleet.answers SET
  remote_since = CASE WHEN remote_since BETWEEN '1970-01-02' AND now() THEN remote_since WHEN remote_since IS NOT NULL THEN now() END,
  checked_at = CASE WHEN checked_at BETWEEN '1970-01-02' AND now() THEN checked_at WHEN checked_at IS NOT NULL THEN now() END,
  attempted_at = CASE WHEN attempted_at BETWEEN '1970-01-02' AND now() THEN attempted_at WHEN attempted_at IS NOT NULL THEN now() END,
  failing_since = CASE WHEN failing_since BETWEEN '1970-01-02' AND now() THEN failing_since WHEN failing_since IS NOT NULL THEN now() END
WHERE least(remote_since, checked_at, attempted_at, failing_since) < '1970-01-02'
  OR greatest(remote_since, checked_at, attempted_at, failing_since) > now() + interval '1 minute';
DELETE FROM fleet.remote_history
WHERE valid_to IS NOT NULL AND (valid_from <= 'epoch' OR valid_from > now() + interval '1 minute');
UPDATE fleet.remote_history SET valid_from = now()
WHERE valid_from <= 'epoch' OR valid_from > now() + interval '1 minute';
UPDATE fleet.remote_history SET valid_to = greatest(valid_from, now())
WHERE valid_to > now() + interval '1 minute';
UPDATE fleet.descriptions SET described_at = now(), next_ask_at = least(next_ask_at, now())
WHERE described_at <= 'epoch' OR described_at > now() + interval '1 minute';
UPDATE fleet.registry_states SET
  rate_reset_at = CASE WHEN rate_reset_at > 'epoch' THEN least(rate_reset_at, now() + interval '1 day') END,
  blocked_until = CASE WHEN blocked_until > 'epoch' THEN least(blocked_until, now() + interval '1 day') END,
  get_blocked_until = CASE WHEN get_blocked_until > 'epoch' THEN least(get_blocked_until, now() + interval '1 day') END,
  observed_at = CASE WHEN observed_at > 'epoch' THEN least(observed_at, now()) ELSE now() END;
UPDATE fleet.dead_letters SET received_at = now(), first_received_at = now(), hour = clock_timestamp()
WHERE first_received_at <= 'epoch' OR received_at > now() + interval '1 minute';
-- migrate: rollback
-- Forward only.
