-- How far ingest has read, noted with what it stores.

-- name: begin
-- Begin a bookmark. It may be there, where it is not known whether the first batch was stored.
INSERT INTO fleet.bookmarks (bookmark, turn, stream, epoch, seq, noted_at)
VALUES ($1::uuid, $2::bigint + 1, $3::text, $4::bigint, $5::bigint, now())
ON CONFLICT (bookmark) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq, noted_at = excluded.noted_at

-- name: turn
-- Turn a bookmark. One turn further is right, too, where it is not known whether the last batch was
-- stored. No row: it is not where it was left. What is delivered late moves nothing back.
UPDATE fleet.bookmarks SET
  turn = $2::bigint + 1,
  epoch = $4::bigint,
  seq = CASE WHEN epoch = $4::bigint THEN greatest(seq, $5::bigint) ELSE $5::bigint END,
  noted_at = now()
WHERE bookmark = $1::uuid AND stream = $3::text AND turn BETWEEN $2::bigint AND $2::bigint + 1

-- name: read_to
-- How far a stream was read.
SELECT max(seq) FROM fleet.bookmarks WHERE stream = $1::text AND epoch = $2::bigint

-- name: drop_old
-- Drop the bookmarks of processes that are long gone, but for the last one.
DELETE FROM fleet.bookmarks AS b
WHERE b.stream = $1::text AND b.noted_at < now() - interval '7 days'
  AND EXISTS (
    SELECT FROM fleet.bookmarks AS o
    WHERE o.stream = b.stream AND (o.epoch, o.seq, o.bookmark) > (b.epoch, b.seq, b.bookmark)
  )
