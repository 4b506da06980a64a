-- The content of digests, as registries described it.

-- name: inside
-- What is inside digests.
SELECT d.digest, d.children
FROM unnest($1::text[]) AS s (digest)
JOIN fleet.descriptions AS d ON d.digest = s.digest
WHERE d.children IS NOT NULL
