-- Routes of messages that are gone from their file, or that a restored database has taken back
-- depends: 0038_due_plan
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '1min';

ALTER TABLE notify.routes ADD COLUMN removed_at timestamptz CHECK (isfinite(removed_at));
ALTER TABLE notify.routes ADD COLUMN is_restored boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN notify.routes.is_restored IS 'Whether it began anew as the database was restored: then not even a route with its backlog tells that.';
COMMENT ON COLUMN notify.routes.removed_at IS 'Since when it is in no file; null while it is in one.';

CREATE OR REPLACE VIEW ops.routes AS
SELECT
  r.route, r.since,
  coalesce(o.waiting, 0) AS waiting, coalesce(o.failing, 0) AS failing, o.waiting_since, o.next_try_at,
  (SELECT m.sent_at FROM notify.messages AS m WHERE m.route = r.route AND m.state = 'sent' ORDER BY m.sent_at DESC LIMIT 1) AS last_sent_at,
  o.error,
  (SELECT count(*) FROM notify.claims AS c WHERE c.route = r.route AND c.message_id IS NULL AND c.send_at IS NOT NULL) AS gathering,
  r.removed_at
FROM notify.routes AS r
LEFT JOIN LATERAL (
  SELECT
    count(*) AS waiting, count(*) FILTER (WHERE m.attempts > 0 AND m.state = 'waiting') AS failing,
    min(m.created_at) AS waiting_since, min(m.try_at) AS next_try_at,
    max(m.error) FILTER (WHERE m.state = 'waiting') AS error
  FROM notify.messages AS m
  WHERE m.route = r.route AND m.state IN ('waiting', 'sending')
) AS o ON true;
COMMENT ON COLUMN ops.routes.since IS 'When the notifier first saw it; after it was removed for an hour, when it came back.';
COMMENT ON COLUMN ops.routes.removed_at IS 'Since when it is not in the file of routes; after an hour nothing that waited on it is sent any more.';
-- migrate: rollback
-- Forward only.
