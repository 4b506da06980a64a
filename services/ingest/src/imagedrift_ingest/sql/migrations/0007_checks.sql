-- The same constraints on digests, without a regular expression for the usual ones
-- depends: 0006_statistics
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '10min';

-- Matching a digest took longer than storing it. Every digit removed, its algorithm's letters stay.
CREATE OR REPLACE FUNCTION fleet.is_digest(digest text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (octet_length(digest) = 71 AND starts_with(digest, 'sha256:')
    OR octet_length(digest) = 135 AND starts_with(digest, 'sha512:'))
  AND translate(substr(digest, 8), '0123456789abcdef', '') = '';

-- Nearly every image has one digest, or none. The table is small: its rows are looked at in no time.
ALTER TABLE fleet.comparisons
  -- squawk-ignore ban-drop-constraint
  DROP CONSTRAINT comparisons_repo_digests_check,
  -- squawk-ignore constraint-missing-not-valid
  ADD CONSTRAINT comparisons_repo_digests_check CHECK (
    CASE
      WHEN repo_digests = '{}' THEN true
      WHEN cardinality(repo_digests) = 1 THEN repo_digests[1] IS NOT NULL AND fleet.is_digest(repo_digests[1])
      ELSE array_position(repo_digests, NULL) IS NULL
        AND array_to_string(repo_digests, ',') ~ '^((sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})(,(?!$)|$))*$'
    END
  );
-- migrate: rollback
-- Forward only.
