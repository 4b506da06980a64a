-- The content of digests, as registries described it.

-- name: inside
-- What is inside digests.
SELECT d.digest, d.children
FROM unnest($1::text[]) AS s (digest)
JOIN fleet.descriptions AS d ON d.digest = s.digest
WHERE d.children IS NOT NULL

-- name: describe
-- Keep what is inside a digest. A failure never replaces a description; both may come together.
INSERT INTO fleet.descriptions AS d (digest, described_at, children, failure, error, next_ask_at)
SELECT s.digest, s.described_at, s.children, s.failure, s.error, s.next_ask_at
FROM unnest($1::text[], $2::timestamptz[], $3::jsonb[], $4::text[], $5::text[], $6::timestamptz[])
  AS s (digest, described_at, children, failure, error, next_ask_at)
ON CONFLICT (digest) DO UPDATE SET
  described_at = excluded.described_at,
  children = coalesce(excluded.children, d.children),
  failure = excluded.failure,
  error = excluded.error,
  next_ask_at = excluded.next_ask_at

-- name: keep_facts
-- Keep what the images inside digests say of themselves, as it was read first. Sorted by the caller.
INSERT INTO fleet.image_facts (
  digest, platform, version, revision, source, base_name, base_digest, built_at, read_at
)
SELECT s.digest, s.platform, s.version, s.revision, s.source, s.base_name, s.base_digest, s.built_at, s.read_at
FROM unnest(
  $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
  $8::timestamptz[], $9::timestamptz[]
) AS s (digest, platform, version, revision, source, base_name, base_digest, built_at, read_at)
ON CONFLICT (digest, platform) DO NOTHING
