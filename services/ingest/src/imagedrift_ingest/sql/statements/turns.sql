-- Turns: work that one process does at a time.

-- name: take
-- Take a turn if it is free, and tell when the work was last done. Only who may write the table can
-- hold its rows, so nobody waits here for longer than one of these statements takes. Losing the last
-- moment in a crash costs nothing, so that no disk is waited for. A turn that ends in hours was taken
-- while the server's clock was wrong: it is nobody's.
WITH hurried AS MATERIALIZED (
  SELECT set_config('synchronous_commit', 'off', true) AS done
), taken AS (
  INSERT INTO fleet.turns AS t (name, holder, until)
  SELECT $1::text, $2::uuid, now() + make_interval(secs => $3::float8)
  FROM hurried
  ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
  WHERE t.until NOT BETWEEN now() AND now() + interval '1 hour'
  RETURNING t.name
)
SELECT EXISTS (SELECT FROM taken) AS taken, (SELECT done_at FROM fleet.turns WHERE name = $1::text) AS done_at

-- name: renew
-- Keep a turn for longer, unless it has run out or is given back. The clock is read when the row is:
-- this statement may have begun before the one that gave it back.
WITH hurried AS MATERIALIZED (
  SELECT set_config('synchronous_commit', 'off', true) AS done
)
UPDATE fleet.turns AS t SET until = now() + make_interval(secs => $3::float8)
FROM hurried
WHERE t.name = $1::text AND t.holder = $2::uuid AND t.until > clock_timestamp()
RETURNING t.name

-- name: release
-- End a turn, unless it has run out and is another's; $3: the work is done.
WITH hurried AS MATERIALIZED (
  SELECT set_config('synchronous_commit', 'off', true) AS done
)
UPDATE fleet.turns AS t SET
  until = least(t.until, now()),
  done_at = CASE WHEN $3::boolean THEN now() ELSE t.done_at END
FROM hurried
WHERE t.name = $1::text AND t.holder = $2::uuid
RETURNING t.done_at
