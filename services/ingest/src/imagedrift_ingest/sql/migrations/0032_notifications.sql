-- What people are told: claimed before it is sent, once for each route
-- depends: 0031_fleet_figures
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '1min';

-- A schema of its own: the notifier writes here and nowhere else, and nobody else does.
CREATE SCHEMA notify;
COMMENT ON SCHEMA notify IS 'Messages to people, and what each is about: written by the notifier.';

CREATE TABLE notify.routes (
  route text COLLATE "C" PRIMARY KEY CHECK (route ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
  since timestamptz NOT NULL DEFAULT now() CHECK (isfinite(since)),
  is_begun boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE notify.routes IS 'The routes that were ever in use.';
COMMENT ON COLUMN notify.routes.route IS 'Its name in the file of routes.';
COMMENT ON COLUMN notify.routes.since IS 'When the notifier first saw it.';
COMMENT ON COLUMN notify.routes.is_begun IS 'Whether all that was due before is claimed, so that it is not told.';

CREATE TABLE notify.messages (
  message_id text COLLATE "C" PRIMARY KEY DEFAULT 'msg_' || replace(gen_random_uuid()::text, '-', ''),
  route text COLLATE "C" NOT NULL REFERENCES notify.routes,
  channel text COLLATE "C" NOT NULL CHECK (channel IN ('apprise', 'webhook')),
  created_at timestamptz NOT NULL DEFAULT now() CHECK (isfinite(created_at)),
  title text NOT NULL CHECK (octet_length(title) <= 1000),
  body text NOT NULL CHECK (octet_length(body) <= 50000),
  payload jsonb NOT NULL CHECK (pg_column_size(payload) <= 1000000),
  topics integer NOT NULL CHECK (topics > 0),
  state text COLLATE "C" NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sending', 'sent', 'failed', 'doubtful')),
  attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  try_at timestamptz NOT NULL DEFAULT now() CHECK (isfinite(try_at)),
  leased_until timestamptz CHECK (isfinite(leased_until)),
  sent_at timestamptz CHECK (isfinite(sent_at)),
  error text CHECK (octet_length(error) <= 1000),
  CHECK ((state = 'sending') = (leased_until IS NOT NULL)),
  CHECK ((state = 'sent') = (sent_at IS NOT NULL))
);
CREATE INDEX messages_open_idx ON notify.messages (route, try_at) WHERE state IN ('waiting', 'sending');
CREATE INDEX messages_created_idx ON notify.messages (created_at);
COMMENT ON TABLE notify.messages IS 'Messages to people: written whole before the first try, so that every try sends the same.';
COMMENT ON COLUMN notify.messages.message_id IS 'Its identity, which a webhook sends along.';
COMMENT ON COLUMN notify.messages.route IS 'The route that it takes.';
COMMENT ON COLUMN notify.messages.channel IS 'What carries it: apprise or webhook.';
COMMENT ON COLUMN notify.messages.created_at IS 'When it was written.';
COMMENT ON COLUMN notify.messages.title IS 'Its title.';
COMMENT ON COLUMN notify.messages.body IS 'Its text.';
COMMENT ON COLUMN notify.messages.payload IS 'Its form for programs.';
COMMENT ON COLUMN notify.messages.topics IS 'How many topics it is about.';
COMMENT ON COLUMN notify.messages.state IS 'waiting, sending, sent, failed (given up), doubtful (whether it arrived is not known).';
COMMENT ON COLUMN notify.messages.attempts IS 'How many times it was tried.';
COMMENT ON COLUMN notify.messages.try_at IS 'When it is tried next, where it waits.';
COMMENT ON COLUMN notify.messages.leased_until IS 'Until when a notifier may be sending it; after that it has died.';
COMMENT ON COLUMN notify.messages.sent_at IS 'When the channel took it.';
COMMENT ON COLUMN notify.messages.error IS 'What was wrong at the last try; never a part of an address.';

CREATE TABLE notify.claims (
  route text COLLATE "C" NOT NULL REFERENCES notify.routes,
  kind text COLLATE "C" NOT NULL CHECK (kind IN ('outdated', 'version', 'missing', 'error')),
  reference text COLLATE "C" NOT NULL CHECK (octet_length(reference) <= 1000),
  target text COLLATE "C" NOT NULL CHECK (octet_length(target) <= 300),
  claimed_at timestamptz NOT NULL DEFAULT now() CHECK (isfinite(claimed_at)),
  send_at timestamptz CHECK (isfinite(send_at)),
  message_id text COLLATE "C" REFERENCES notify.messages,
  PRIMARY KEY (route, kind, reference, target),
  CHECK (send_at IS NOT NULL OR message_id IS NULL)
);
CREATE INDEX claims_open_idx ON notify.claims (route, send_at) WHERE message_id IS NULL AND send_at IS NOT NULL;
CREATE INDEX claims_message_idx ON notify.claims (message_id) WHERE message_id IS NOT NULL;
COMMENT ON TABLE notify.claims IS 'What each route tells: a row under its key is written before anything is sent.';
COMMENT ON COLUMN notify.claims.route IS 'The route.';
COMMENT ON COLUMN notify.claims.kind IS 'outdated, version (a newer one), missing (the tag is gone), error (a registry cannot be asked).';
COMMENT ON COLUMN notify.claims.reference IS 'The image; of an error, the registry.';
COMMENT ON COLUMN notify.claims.target IS 'The remote digest or the newer version; of an error, its kind.';
COMMENT ON COLUMN notify.claims.claimed_at IS 'When it was noted.';
COMMENT ON COLUMN notify.claims.send_at IS 'When it is to be sent; null for what was due before the route was made, which is not told.';
COMMENT ON COLUMN notify.claims.message_id IS 'The message that tells it; null until that is written.';

CREATE VIEW ops.messages AS
SELECT
  m.created_at, m.route, m.channel, m.state, m.title, m.topics, m.attempts,
  CASE WHEN m.state = 'waiting' THEN m.try_at END AS next_try_at,
  m.sent_at, m.error, m.message_id,
  ARRAY(SELECT DISTINCT c.reference FROM notify.claims AS c WHERE c.message_id = m.message_id ORDER BY 1 LIMIT 20)::text[] AS about
FROM notify.messages AS m;
COMMENT ON VIEW ops.messages IS 'Messages to people: what was sent on which route, what waits, and what went wrong.';
COMMENT ON COLUMN ops.messages.created_at IS 'When it was written.';
COMMENT ON COLUMN ops.messages.route IS 'The route that it takes.';
COMMENT ON COLUMN ops.messages.channel IS 'What carries it: apprise or webhook.';
COMMENT ON COLUMN ops.messages.state IS 'waiting, sending, sent, failed (given up), doubtful (whether it arrived is not known, and it is not sent again).';
COMMENT ON COLUMN ops.messages.title IS 'Its title.';
COMMENT ON COLUMN ops.messages.topics IS 'How many topics it is about: an image and what it should become, or a registry that fails.';
COMMENT ON COLUMN ops.messages.attempts IS 'How many times it was tried.';
COMMENT ON COLUMN ops.messages.next_try_at IS 'When it is tried next; null when it is not.';
COMMENT ON COLUMN ops.messages.sent_at IS 'When the channel took it.';
COMMENT ON COLUMN ops.messages.error IS 'What was wrong at the last try; never a part of an address.';
COMMENT ON COLUMN ops.messages.message_id IS 'Its identity: the webhook-id of a webhook.';
COMMENT ON COLUMN ops.messages.about IS 'The images, or registries, that it is about; the first twenty.';

CREATE VIEW ops.routes AS
SELECT
  r.route, r.since,
  coalesce(o.waiting, 0) AS waiting, coalesce(o.failing, 0) AS failing, o.waiting_since, o.next_try_at,
  (SELECT m.sent_at FROM notify.messages AS m WHERE m.route = r.route AND m.state = 'sent' ORDER BY m.sent_at DESC LIMIT 1) AS last_sent_at,
  o.error,
  (SELECT count(*) FROM notify.claims AS c WHERE c.route = r.route AND c.message_id IS NULL AND c.send_at IS NOT NULL) AS gathering
FROM notify.routes AS r
LEFT JOIN LATERAL (
  SELECT
    count(*) AS waiting, count(*) FILTER (WHERE m.attempts > 0 AND m.state = 'waiting') AS failing,
    min(m.created_at) AS waiting_since, min(m.try_at) AS next_try_at,
    max(m.error) FILTER (WHERE m.state = 'waiting') AS error
  FROM notify.messages AS m
  WHERE m.route = r.route AND m.state IN ('waiting', 'sending')
) AS o ON true;
COMMENT ON VIEW ops.routes IS 'The routes of messages: what waits on each, and whether its channel fails.';
COMMENT ON COLUMN ops.routes.route IS 'Its name in the file of routes.';
COMMENT ON COLUMN ops.routes.since IS 'When the notifier first saw it.';
COMMENT ON COLUMN ops.routes.waiting IS 'Messages that are not sent yet.';
COMMENT ON COLUMN ops.routes.failing IS 'Of these: tried in vain.';
COMMENT ON COLUMN ops.routes.waiting_since IS 'When the oldest of them was written.';
COMMENT ON COLUMN ops.routes.next_try_at IS 'When the next of them is tried.';
COMMENT ON COLUMN ops.routes.last_sent_at IS 'When a message was last sent.';
COMMENT ON COLUMN ops.routes.error IS 'What was wrong at a last try.';
COMMENT ON COLUMN ops.routes.gathering IS 'Topics that wait for their window, digest or quiet hours to end.';
-- migrate: rollback
-- Forward only.
