-- The first inventories of a fleet are stored with less work
-- depends: 0043_asked_descriptions
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '10min';

-- Ingest wakes the references of a batch itself: it knows them, and need not find them by its images.
DROP TRIGGER wake_references ON fleet.host_images;
-- squawk-ignore ban-drop-function
DROP FUNCTION fleet.wake_references();

-- In SQL it is called as a function for each row, at twice the cost: PostgreSQL does not put it into the
-- query, as `array_to_string` depends on settings for some types.
CREATE OR REPLACE FUNCTION fleet.identity_of(
  image_id text, repo_digests text[], platform text, manifest_digest text, digest_lost boolean, by_digest boolean
) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
  RETURN sha256(convert_to(
    image_id || '|' || array_to_string(repo_digests, ',') || '|' || coalesce(manifest_digest, '')
      || '|' || digest_lost::text || '|' || by_digest::text || '|' || platform, 'UTF8'));
END
$$;
-- migrate: rollback
-- Forward only.
