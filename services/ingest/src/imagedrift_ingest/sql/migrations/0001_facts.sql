-- Facts: hosts, references, answers, comparisons and their history, in the private schema fleet
-- depends:
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '10min';

CREATE SCHEMA fleet;
COMMENT ON SCHEMA fleet IS 'Private tables of imagedrift. May change with every release: read the views of ops.';
CREATE SCHEMA ops;
COMMENT ON SCHEMA ops IS 'What operators read: views with a fixed meaning, readable by the role imagedrift_operator.';

CREATE FUNCTION fleet.is_digest(digest text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN digest ~ '^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$';
COMMENT ON FUNCTION fleet.is_digest(text) IS 'Whether the text is a content digest in its one spelling.';

CREATE TABLE fleet.hosts (
  host_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  site text COLLATE "C" NOT NULL CHECK (site ~ '^[a-z0-9-]{1,63}$'),
  host text COLLATE "C" NOT NULL CHECK (host ~ '^[a-z0-9-]{1,63}$'),
  hostname text COLLATE "C" NOT NULL DEFAULT '',
  labels jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(labels) = 'object'),
  place text COLLATE "C" NOT NULL DEFAULT '',
  os text COLLATE "C" NOT NULL DEFAULT '',
  arch text COLLATE "C" NOT NULL DEFAULT '',
  engine text COLLATE "C" NOT NULL DEFAULT '',
  engine_version text COLLATE "C" NOT NULL DEFAULT '',
  agent_version text COLLATE "C" NOT NULL DEFAULT '',
  first_seen_at timestamptz NOT NULL DEFAULT now(),
  retired_at timestamptz,
  UNIQUE (site, host)
);
CREATE INDEX hosts_host_idx ON fleet.hosts (host);
CREATE INDEX hosts_hostname_idx ON fleet.hosts (hostname);
CREATE INDEX hosts_labels_idx ON fleet.hosts USING gin (labels jsonb_path_ops);
COMMENT ON TABLE fleet.hosts IS 'Who reports. Written when a host is new or says something new about itself.';
COMMENT ON COLUMN fleet.hosts.host_id IS 'Key within this database.';
COMMENT ON COLUMN fleet.hosts.site IS 'Site that the host belongs to; with host, its identity.';
COMMENT ON COLUMN fleet.hosts.host IS 'Identifier that the agent generated or was given.';
COMMENT ON COLUMN fleet.hosts.hostname IS 'Name that the host has for itself.';
COMMENT ON COLUMN fleet.hosts.labels IS 'Labels of the host, key to value.';
COMMENT ON COLUMN fleet.hosts.place IS 'Where the host sits, from the outside in, parts separated by /.';
COMMENT ON COLUMN fleet.hosts.os IS 'Operating system.';
COMMENT ON COLUMN fleet.hosts.arch IS 'Processor architecture.';
COMMENT ON COLUMN fleet.hosts.engine IS 'Container engine.';
COMMENT ON COLUMN fleet.hosts.engine_version IS 'Version of the container engine.';
COMMENT ON COLUMN fleet.hosts.agent_version IS 'Version of the agent.';
COMMENT ON COLUMN fleet.hosts.first_seen_at IS 'When its first inventory arrived.';
COMMENT ON COLUMN fleet.hosts.retired_at IS 'When it was given up after a long silence; null while it counts.';

CREATE TABLE fleet.host_state (
  host_id bigint PRIMARY KEY REFERENCES fleet.hosts ON DELETE CASCADE,
  epoch bigint NOT NULL DEFAULT 0,
  seq bigint NOT NULL DEFAULT 0,
  content bytea CHECK (octet_length(content) = 32),
  about bytea CHECK (octet_length(about) = 16),
  interval_s integer NOT NULL DEFAULT 300 CHECK (interval_s > 0),
  last_seen_at timestamptz NOT NULL,
  changed_at timestamptz,
  reconciled_at timestamptz,
  degraded text NOT NULL DEFAULT ''
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
COMMENT ON TABLE fleet.host_state IS 'What changes with every sign of life. Narrow and without a second index, so that updates stay in their page.';
COMMENT ON COLUMN fleet.host_state.host_id IS 'The host.';
COMMENT ON COLUMN fleet.host_state.epoch IS 'When the stream of the newest inventory was created, in microseconds: a recreated stream starts a new epoch.';
COMMENT ON COLUMN fleet.host_state.seq IS 'Place of the newest inventory in its stream. Only a greater (epoch, seq) replaces what is here.';
COMMENT ON COLUMN fleet.host_state.content IS 'Hash over the images: equal means unchanged. Null: never reconciled.';
COMMENT ON COLUMN fleet.host_state.about IS 'Hash over what the host says of itself: equal means that fleet.hosts is right.';
COMMENT ON COLUMN fleet.host_state.interval_s IS 'How often the host says that it lives, in seconds; silence is measured by it.';
COMMENT ON COLUMN fleet.host_state.last_seen_at IS 'Last sign of life.';
COMMENT ON COLUMN fleet.host_state.changed_at IS 'When its images last changed.';
COMMENT ON COLUMN fleet.host_state.reconciled_at IS 'When its rows were last compared with a whole inventory.';
COMMENT ON COLUMN fleet.host_state.degraded IS 'Why its images may be out of date (the engine does not answer); empty when all is well.';

CREATE TABLE fleet.image_refs (
  ref_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  reference text COLLATE "C" NOT NULL UNIQUE,
  registry text COLLATE "C" NOT NULL CHECK (registry <> ''),
  repository text COLLATE "C" NOT NULL CHECK (repository <> ''),
  tag text COLLATE "C",
  policy text COLLATE "C" NOT NULL CHECK (policy IN ('ask', 'pinned', 'machine_bound')),
  first_seen_at timestamptz NOT NULL DEFAULT now(),
  CHECK ((policy = 'pinned') = (tag IS NULL)),
  CHECK (starts_with(reference, registry || '/' || repository || CASE WHEN tag IS NULL THEN '@' ELSE ':' || tag END))
);
CREATE INDEX image_refs_repository_idx ON fleet.image_refs (repository);
COMMENT ON TABLE fleet.image_refs IS 'Dictionary of references in canonical form. Rows are never changed.';
COMMENT ON COLUMN fleet.image_refs.ref_id IS 'Key within this database.';
COMMENT ON COLUMN fleet.image_refs.reference IS 'The reference in full, like docker.io/library/nginx:1.27.';
COMMENT ON COLUMN fleet.image_refs.registry IS 'Registry of the reference.';
COMMENT ON COLUMN fleet.image_refs.repository IS 'Repository within the registry.';
COMMENT ON COLUMN fleet.image_refs.tag IS 'Tag; null when the reference names a digest instead.';
COMMENT ON COLUMN fleet.image_refs.policy IS 'ask: the registry is asked; pinned: a digest cannot move; machine_bound: the registry''s name means another machine on every host.';
COMMENT ON COLUMN fleet.image_refs.first_seen_at IS 'When it was first heard of.';

CREATE TABLE fleet.answers (
  ref_id bigint PRIMARY KEY REFERENCES fleet.image_refs ON DELETE CASCADE,
  epoch bigint NOT NULL DEFAULT 0,
  seq bigint NOT NULL DEFAULT 0,
  remote_digest text COLLATE "C" CHECK (fleet.is_digest(remote_digest)),
  remote_since timestamptz,
  gone boolean NOT NULL DEFAULT false,
  checked_at timestamptz,
  attempted_at timestamptz,
  failure text COLLATE "C" CHECK (failure IN ('denied', 'limited', 'unreachable', 'refused', 'unsupported', 'invalid')),
  error text,
  failures integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
  failing_since timestamptz,
  asked_at timestamptz,
  next_check_at timestamptz,
  weight integer NOT NULL DEFAULT 0,
  CHECK ((remote_digest IS NULL) = (remote_since IS NULL)),
  CHECK ((failure IS NULL AND NOT gone) = (failing_since IS NULL)),
  CHECK (failure IS NULL OR attempted_at IS NOT NULL)
) WITH (fillfactor = 70);
CREATE INDEX answers_due_idx ON fleet.answers (next_check_at) WHERE next_check_at IS NOT NULL;
CREATE INDEX answers_digest_idx ON fleet.answers (remote_digest) WHERE remote_digest IS NOT NULL;
COMMENT ON TABLE fleet.answers IS 'The newest answer per reference, and when it is asked next. One changed row is a whole fleet''s new verdict.';
COMMENT ON COLUMN fleet.answers.ref_id IS 'The reference.';
COMMENT ON COLUMN fleet.answers.epoch IS 'When the bucket of the newest answer was created, in microseconds.';
COMMENT ON COLUMN fleet.answers.seq IS 'Place of the newest answer in the bucket. Only a greater (epoch, seq) replaces what is here.';
COMMENT ON COLUMN fleet.answers.remote_digest IS 'Digest found last; kept through failures and when the tag is gone.';
COMMENT ON COLUMN fleet.answers.remote_since IS 'When that digest was first found.';
COMMENT ON COLUMN fleet.answers.gone IS 'Whether the last conclusive answer was that there is no such tag.';
COMMENT ON COLUMN fleet.answers.checked_at IS 'When the registry last gave a conclusive answer: found or missing.';
COMMENT ON COLUMN fleet.answers.attempted_at IS 'When it was last tried.';
COMMENT ON COLUMN fleet.answers.failure IS 'Kind of failure of the last try; null when that was conclusive.';
COMMENT ON COLUMN fleet.answers.error IS 'What was wrong, or why the tag is missing, in words.';
COMMENT ON COLUMN fleet.answers.failures IS 'How many tries in a row found nothing.';
COMMENT ON COLUMN fleet.answers.failing_since IS 'When the first of them was.';
COMMENT ON COLUMN fleet.answers.asked_at IS 'When the question was last published.';
COMMENT ON COLUMN fleet.answers.next_check_at IS 'When it is due; null when it is never asked.';
COMMENT ON COLUMN fleet.answers.weight IS 'Hosts that ran it when that was last counted: due references are asked in this order.';

CREATE TABLE fleet.remote_history (
  ref_id bigint NOT NULL REFERENCES fleet.image_refs ON DELETE CASCADE,
  valid_from timestamptz NOT NULL,
  valid_to timestamptz CHECK (valid_to >= valid_from),
  digest text COLLATE "C" NOT NULL CHECK (fleet.is_digest(digest)),
  PRIMARY KEY (ref_id, valid_from)
);
CREATE UNIQUE INDEX remote_history_open_idx ON fleet.remote_history (ref_id) WHERE valid_to IS NULL;
CREATE INDEX remote_history_digest_idx ON fleet.remote_history (digest);
COMMENT ON TABLE fleet.remote_history IS 'What a tag pointed to, as periods.';
COMMENT ON COLUMN fleet.remote_history.ref_id IS 'The reference.';
COMMENT ON COLUMN fleet.remote_history.valid_from IS 'When the digest was first found.';
COMMENT ON COLUMN fleet.remote_history.valid_to IS 'When another one was found, or the tag was gone; null while it holds.';
COMMENT ON COLUMN fleet.remote_history.digest IS 'The digest.';

CREATE TABLE fleet.descriptions (
  digest text COLLATE "C" PRIMARY KEY CHECK (fleet.is_digest(digest)),
  platforms text[] NOT NULL DEFAULT '{}',
  asked_at timestamptz,
  next_ask_at timestamptz,
  described_at timestamptz,
  children jsonb CHECK (jsonb_typeof(children) = 'array'),
  failure text COLLATE "C",
  error text
);
COMMENT ON TABLE fleet.descriptions IS 'What is inside a digest. True for ever once it is known.';
COMMENT ON COLUMN fleet.descriptions.digest IS 'The digest.';
COMMENT ON COLUMN fleet.descriptions.platforms IS 'Platforms whose image id was asked for.';
COMMENT ON COLUMN fleet.descriptions.asked_at IS 'When it was last asked.';
COMMENT ON COLUMN fleet.descriptions.next_ask_at IS 'When it is asked again if no answer came or it failed.';
COMMENT ON COLUMN fleet.descriptions.described_at IS 'When it was described.';
COMMENT ON COLUMN fleet.descriptions.children IS 'One object per platform: platform, digest, config_digest.';
COMMENT ON COLUMN fleet.descriptions.failure IS 'Kind of failure when it could not be described.';
COMMENT ON COLUMN fleet.descriptions.error IS 'What was wrong, in words.';

CREATE TABLE fleet.comparisons (
  comparison_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  ref_id bigint NOT NULL REFERENCES fleet.image_refs,
  image_id text COLLATE "C" NOT NULL CHECK (fleet.is_digest(image_id)),
  repo_digests text[] COLLATE "C" NOT NULL CHECK (
    array_position(repo_digests, NULL) IS NULL
    AND array_to_string(repo_digests, ',') ~ '^((sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})(,(?!$)|$))*$'),
  platform text COLLATE "C" NOT NULL CHECK (platform <> ''),
  manifest_digest text COLLATE "C" CHECK (fleet.is_digest(manifest_digest)),
  size_bytes bigint NOT NULL DEFAULT 0 CHECK (size_bytes >= 0),
  created_at timestamptz,
  verdict text COLLATE "C" NOT NULL,
  reason text COLLATE "C" NOT NULL,
  verdict_since timestamptz NOT NULL,
  first_seen_at timestamptz NOT NULL DEFAULT now(),
  unused_since timestamptz,
  UNIQUE (ref_id, image_id, repo_digests, platform),
  CHECK ((verdict, reason) IN (
    ('current', 'digest_match'), ('current', 'platform_match'),
    ('outdated', 'digest_differs'), ('outdated', 'platform_differs'),
    ('pinned', 'by_digest'), ('local', 'no_repo_digest'), ('missing', 'not_found'),
    ('unknown', 'not_checked'), ('unknown', 'denied'), ('unknown', 'limited'), ('unknown', 'unreachable'),
    ('unknown', 'refused'), ('unknown', 'unsupported'), ('unknown', 'invalid')))
) WITH (fillfactor = 80);
CREATE INDEX comparisons_digests_idx ON fleet.comparisons USING gin (repo_digests);
CREATE INDEX comparisons_image_idx ON fleet.comparisons (image_id);
CREATE INDEX comparisons_undescribed_idx ON fleet.comparisons (ref_id) WHERE reason = 'digest_differs';
COMMENT ON TABLE fleet.comparisons IS 'One distinct local image held against one answer. Hosts point here, so a verdict changes once and not once per host.';
COMMENT ON COLUMN fleet.comparisons.comparison_id IS 'Key within this database.';
COMMENT ON COLUMN fleet.comparisons.ref_id IS 'The reference under which hosts have the image.';
COMMENT ON COLUMN fleet.comparisons.image_id IS 'The engine''s identifier of the image.';
COMMENT ON COLUMN fleet.comparisons.repo_digests IS 'Digests under which the registry knows the image, sorted; empty for a local image.';
COMMENT ON COLUMN fleet.comparisons.platform IS 'Platform of the image, os/architecture.';
COMMENT ON COLUMN fleet.comparisons.manifest_digest IS 'Digest of this platform''s manifest, where the engine knows it.';
COMMENT ON COLUMN fleet.comparisons.size_bytes IS 'Size on disk.';
COMMENT ON COLUMN fleet.comparisons.created_at IS 'When the image was built.';
COMMENT ON COLUMN fleet.comparisons.verdict IS 'current, outdated, pinned, local, missing or unknown.';
COMMENT ON COLUMN fleet.comparisons.reason IS 'Why the verdict is that.';
COMMENT ON COLUMN fleet.comparisons.verdict_since IS 'Since when the verdict holds.';
COMMENT ON COLUMN fleet.comparisons.first_seen_at IS 'When a host first reported the image.';
COMMENT ON COLUMN fleet.comparisons.unused_since IS 'When maintenance first found it on no host; null while a host has it.';

CREATE TABLE fleet.host_images (
  host_id bigint NOT NULL REFERENCES fleet.hosts ON DELETE CASCADE,
  comparison_id bigint NOT NULL REFERENCES fleet.comparisons,
  since timestamptz NOT NULL,
  running integer NOT NULL DEFAULT 0 CHECK (running >= 0),
  tagged boolean NOT NULL DEFAULT true,
  shared boolean NOT NULL DEFAULT false,
  containers text[] CHECK (containers <> '{}'),
  PRIMARY KEY (host_id, comparison_id)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05);
CREATE INDEX host_images_comparison_idx ON fleet.host_images (comparison_id, shared, running);
CREATE INDEX host_images_shared_idx ON fleet.host_images (comparison_id, host_id, running) WHERE shared;
COMMENT ON TABLE fleet.host_images IS 'Which host has which image: the large table, written only where a host changed.';
COMMENT ON COLUMN fleet.host_images.host_id IS 'The host.';
COMMENT ON COLUMN fleet.host_images.comparison_id IS 'The local image, with its verdict.';
COMMENT ON COLUMN fleet.host_images.since IS 'When the host was first seen with it.';
COMMENT ON COLUMN fleet.host_images.running IS 'How many of the containers run.';
COMMENT ON COLUMN fleet.host_images.tagged IS 'False when the reference is only what a container was made from: its tag has moved on this host.';
COMMENT ON COLUMN fleet.host_images.shared IS 'Whether the host has another image of the same reference. Rows without it are counted without looking at the host.';
COMMENT ON COLUMN fleet.host_images.containers IS 'Names of the containers made from it; null when there are none.';

CREATE TABLE fleet.host_changes (
  occurred_at timestamptz NOT NULL,
  host_id bigint NOT NULL,
  ref_id bigint NOT NULL,
  old_comparison_id bigint,
  new_comparison_id bigint,
  CHECK (old_comparison_id IS DISTINCT FROM new_comparison_id)
) PARTITION BY RANGE (occurred_at);
CREATE INDEX host_changes_host_idx ON fleet.host_changes (host_id, occurred_at);
CREATE INDEX host_changes_at_idx ON fleet.host_changes USING brin (occurred_at) WITH (autosummarize = on);
CREATE TABLE fleet.host_changes_default PARTITION OF fleet.host_changes DEFAULT;
COMMENT ON TABLE fleet.host_changes IS 'What changed on hosts, a partition per month. A host''s first inventory is no change.';
COMMENT ON TABLE fleet.host_changes_default IS 'Takes what no month''s partition takes; stays empty while maintenance runs.';
COMMENT ON COLUMN fleet.host_changes.occurred_at IS 'When the inventory with the change was stored.';
COMMENT ON COLUMN fleet.host_changes.host_id IS 'The host.';
COMMENT ON COLUMN fleet.host_changes.ref_id IS 'The reference.';
COMMENT ON COLUMN fleet.host_changes.old_comparison_id IS 'The image that is gone; null when none was there.';
COMMENT ON COLUMN fleet.host_changes.new_comparison_id IS 'The image that came; null when it was only removed.';

CREATE TABLE fleet.registry_states (
  registry text COLLATE "C" NOT NULL,
  credential text COLLATE "C" NOT NULL,
  epoch bigint NOT NULL DEFAULT 0,
  seq bigint NOT NULL DEFAULT 0,
  rate_limit integer,
  rate_remaining integer,
  rate_window_s integer,
  rate_reset_at timestamptz,
  blocked_until timestamptz,
  get_blocked_until timestamptz,
  last_status integer,
  last_error text,
  observed_at timestamptz NOT NULL,
  PRIMARY KEY (registry, credential)
) WITH (fillfactor = 50);
COMMENT ON TABLE fleet.registry_states IS 'The budget of each registry and credential, as its responses told.';
COMMENT ON COLUMN fleet.registry_states.registry IS 'The registry.';
COMMENT ON COLUMN fleet.registry_states.credential IS 'Name of the credential, or anonymous; never the credential.';
COMMENT ON COLUMN fleet.registry_states.epoch IS 'When the bucket was created, in microseconds.';
COMMENT ON COLUMN fleet.registry_states.seq IS 'Place in the bucket. Only a greater (epoch, seq) replaces what is here.';
COMMENT ON COLUMN fleet.registry_states.rate_limit IS 'Requests allowed per window.';
COMMENT ON COLUMN fleet.registry_states.rate_remaining IS 'Requests left in the window.';
COMMENT ON COLUMN fleet.registry_states.rate_window_s IS 'Length of the window, in seconds.';
COMMENT ON COLUMN fleet.registry_states.rate_reset_at IS 'When the window starts anew.';
COMMENT ON COLUMN fleet.registry_states.blocked_until IS 'Nothing is asked before this moment.';
COMMENT ON COLUMN fleet.registry_states.get_blocked_until IS 'Nothing that counts against a pull limit is asked before this moment.';
COMMENT ON COLUMN fleet.registry_states.last_status IS 'HTTP status of the last response.';
COMMENT ON COLUMN fleet.registry_states.last_error IS 'What was last wrong, in words.';
COMMENT ON COLUMN fleet.registry_states.observed_at IS 'When this was learnt.';

CREATE TABLE fleet.dead_letters (
  epoch bigint NOT NULL,
  seq bigint NOT NULL,
  received_at timestamptz NOT NULL,
  service text NOT NULL,
  subject text NOT NULL,
  stream text NOT NULL,
  stream_seq bigint NOT NULL,
  reason text NOT NULL,
  error text NOT NULL,
  payload bytea NOT NULL CHECK (octet_length(payload) <= 65536),
  PRIMARY KEY (epoch, seq)
);
CREATE INDEX dead_letters_at_idx ON fleet.dead_letters (received_at);
COMMENT ON TABLE fleet.dead_letters IS 'Messages that were refused.';
COMMENT ON COLUMN fleet.dead_letters.epoch IS 'When the stream of dead letters was created, in microseconds.';
COMMENT ON COLUMN fleet.dead_letters.seq IS 'Place in that stream; a letter delivered twice is stored once.';
COMMENT ON COLUMN fleet.dead_letters.received_at IS 'When the message was refused.';
COMMENT ON COLUMN fleet.dead_letters.service IS 'The service that refused it.';
COMMENT ON COLUMN fleet.dead_letters.subject IS 'Subject of the message.';
COMMENT ON COLUMN fleet.dead_letters.stream IS 'Stream that it came from.';
COMMENT ON COLUMN fleet.dead_letters.stream_seq IS 'Its place in that stream.';
COMMENT ON COLUMN fleet.dead_letters.reason IS 'Why, in a word.';
COMMENT ON COLUMN fleet.dead_letters.error IS 'Why, in a sentence.';
COMMENT ON COLUMN fleet.dead_letters.payload IS 'The message, at most its first 64 KiB.';

CREATE TABLE fleet.trend (
  taken_at timestamptz PRIMARY KEY,
  hosts bigint NOT NULL,
  silent_hosts bigint NOT NULL,
  images bigint NOT NULL,
  current bigint NOT NULL,
  outdated bigint NOT NULL,
  pinned bigint NOT NULL,
  local bigint NOT NULL,
  missing bigint NOT NULL,
  unknown bigint NOT NULL,
  stale bigint NOT NULL
);
COMMENT ON TABLE fleet.trend IS 'The fleet summary, kept every five minutes.';
COMMENT ON COLUMN fleet.trend.taken_at IS 'The five minutes that the row stands for.';
COMMENT ON COLUMN fleet.trend.hosts IS 'Hosts that count.';
COMMENT ON COLUMN fleet.trend.silent_hosts IS 'Of these, hosts that were silent.';
COMMENT ON COLUMN fleet.trend.images IS 'Local images, each counted on each host.';
COMMENT ON COLUMN fleet.trend.current IS 'Of these, up to date.';
COMMENT ON COLUMN fleet.trend.outdated IS 'Of these, replaced by the registry.';
COMMENT ON COLUMN fleet.trend.pinned IS 'Of these, run by digest.';
COMMENT ON COLUMN fleet.trend.local IS 'Of these, never pulled or pushed.';
COMMENT ON COLUMN fleet.trend.missing IS 'Of these, with a tag that is gone.';
COMMENT ON COLUMN fleet.trend.unknown IS 'Of these, never answered.';
COMMENT ON COLUMN fleet.trend.stale IS 'Of these, with a verdict from before the last check failed.';

CREATE TABLE fleet.outbox (
  change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  comparison_id bigint NOT NULL REFERENCES fleet.comparisons ON DELETE CASCADE,
  from_verdict text NOT NULL,
  from_reason text NOT NULL,
  to_verdict text NOT NULL,
  to_reason text NOT NULL,
  remote_digest text,
  changed_at timestamptz NOT NULL
);
COMMENT ON TABLE fleet.outbox IS 'Changed verdicts that are not published yet: written in the transaction of the change, removed when NATS has stored them.';
COMMENT ON COLUMN fleet.outbox.change_id IS 'Order, and the identity by which NATS drops a second copy.';
COMMENT ON COLUMN fleet.outbox.comparison_id IS 'The comparison whose verdict changed.';
COMMENT ON COLUMN fleet.outbox.from_verdict IS 'Verdict before.';
COMMENT ON COLUMN fleet.outbox.from_reason IS 'Reason before.';
COMMENT ON COLUMN fleet.outbox.to_verdict IS 'Verdict after.';
COMMENT ON COLUMN fleet.outbox.to_reason IS 'Reason after.';
COMMENT ON COLUMN fleet.outbox.remote_digest IS 'Digest that the reference pointed to then.';
COMMENT ON COLUMN fleet.outbox.changed_at IS 'When it changed.';
-- migrate: rollback
DROP SCHEMA ops CASCADE;
DROP SCHEMA fleet CASCADE;
