-- The facts that labels tell are part of an image's identity: no host decides what others see
-- depends: 0046_registry_hosts
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '10min';

-- Labels are part of an image's configuration: whoever has the image tells the same. A host that tells
-- others has a row of its own. No platform has the separator, so that no two images have one text. In SQL
-- it would be called as a function for each row, at twice the cost: PostgreSQL does not put it into the
-- query, as `array_to_string` depends on settings for some types.
CREATE FUNCTION fleet.identity_of(
  image_id text, repo_digests text[], platform text, manifest_digest text, digest_lost boolean, by_digest boolean, facts jsonb
) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
  RETURN sha256(convert_to(
    image_id || '|' || array_to_string(repo_digests, ',') || '|' || coalesce(manifest_digest, '')
      || '|' || digest_lost::text || '|' || by_digest::text || '|' || platform || CASE WHEN facts IS NULL THEN '' ELSE
      chr(31) || coalesce(facts ->> 'version', '') || chr(31) || coalesce(facts ->> 'revision', '')
      || chr(31) || coalesce(facts ->> 'source', '') || chr(31) || coalesce(facts ->> 'base_name', '')
      || chr(31) || coalesce(facts ->> 'base_digest', '') END, 'UTF8'));
END
$$;
COMMENT ON FUNCTION fleet.identity_of(text, text[], text, text, boolean, boolean, jsonb) IS 'The identity of a distinct local image under its reference.';

-- The table holds a row for each distinct image: rewriting it takes a moment.
ALTER TABLE fleet.comparisons
  -- squawk-ignore ban-drop-constraint
  DROP CONSTRAINT comparisons_identity_key,
  -- squawk-ignore ban-drop-column
  DROP COLUMN identity;
-- squawk-ignore ban-drop-function
DROP FUNCTION fleet.identity_of(text, text[], text, text, boolean, boolean);
ALTER TABLE fleet.comparisons
  -- squawk-ignore adding-not-nullable-field, adding-required-field
  ADD COLUMN identity bytea NOT NULL
    -- squawk-ignore adding-field-with-default
    GENERATED ALWAYS AS (fleet.identity_of(image_id, repo_digests, platform, manifest_digest, digest_lost, by_digest, facts)) STORED,
  -- squawk-ignore disallowed-unique-constraint, constraint-missing-not-valid
  ADD CONSTRAINT comparisons_identity_key UNIQUE (ref_id, identity);
COMMENT ON COLUMN fleet.comparisons.identity IS 'Hash of all that tells it from other images of its reference.';
-- migrate: rollback
-- Forward only.
