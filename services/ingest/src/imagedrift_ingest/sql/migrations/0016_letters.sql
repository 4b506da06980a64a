-- One row an hour for each service, subject and reason of a refusal, with the number of refusals
-- depends: 0015_behind
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '10min';

ALTER TABLE fleet.dead_letters
  ADD COLUMN times bigint NOT NULL DEFAULT 1 CHECK (times > 0),
  ADD COLUMN first_received_at timestamptz NOT NULL DEFAULT now(),
  ADD COLUMN hour timestamptz NOT NULL DEFAULT 'epoch';
COMMENT ON TABLE fleet.dead_letters IS 'Messages that were refused: a row an hour for each service, subject and reason, with the first message.';
COMMENT ON COLUMN fleet.dead_letters.epoch IS 'When the stream of dead letters was created, in microseconds.';
COMMENT ON COLUMN fleet.dead_letters.seq IS 'Place of the newest letter in that stream; one that is delivered twice is counted once.';
COMMENT ON COLUMN fleet.dead_letters.received_at IS 'When a message was last refused.';
COMMENT ON COLUMN fleet.dead_letters.times IS 'How many messages were refused in this hour.';
COMMENT ON COLUMN fleet.dead_letters.first_received_at IS 'When the first of them was refused.';
COMMENT ON COLUMN fleet.dead_letters.hour IS 'The hour that the row tells of.';

-- The rows of before are added up in the same way.
WITH kept AS (
  SELECT DISTINCT ON (service, reason, date_bin('1 hour', received_at, 'epoch'), subject)
    epoch, seq, date_bin('1 hour', received_at, 'epoch') AS hour,
    count(*) OVER same AS times, min(received_at) OVER same AS first_received_at
  FROM fleet.dead_letters
  WINDOW same AS (PARTITION BY service, reason, date_bin('1 hour', received_at, 'epoch'), subject)
  ORDER BY service, reason, date_bin('1 hour', received_at, 'epoch'), subject, epoch DESC, seq DESC
)
UPDATE fleet.dead_letters AS d
SET hour = k.hour, times = k.times, first_received_at = k.first_received_at
FROM kept AS k
WHERE d.epoch = k.epoch AND d.seq = k.seq;
DELETE FROM fleet.dead_letters WHERE hour = 'epoch';

-- By a hash, as an index row has no room for a long subject of before.
-- squawk-ignore require-concurrent-index-creation
CREATE UNIQUE INDEX dead_letters_key ON fleet.dead_letters (service, reason, hour, hashtextextended(subject, 0));

CREATE OR REPLACE VIEW ops.dead_letters AS
SELECT
  received_at, subject, reason, error, encode(payload, 'escape') AS payload,
  service, stream, stream_seq, times, first_received_at
FROM fleet.dead_letters;
COMMENT ON VIEW ops.dead_letters IS 'Messages that were refused, with the reason: a row an hour for each service, subject and reason.';
COMMENT ON COLUMN ops.dead_letters.received_at IS 'When a message was last refused.';
COMMENT ON COLUMN ops.dead_letters.payload IS 'The first message, at most its first 64 KiB, bytes outside ASCII as \nnn; empty where too many were refused to keep it.';
COMMENT ON COLUMN ops.dead_letters.stream_seq IS 'Place of the first message in that stream.';
COMMENT ON COLUMN ops.dead_letters.times IS 'How many messages were refused in this hour; told late by up to a half of them.';
COMMENT ON COLUMN ops.dead_letters.first_received_at IS 'When the first of them was refused.';
-- migrate: rollback
-- Forward only.
