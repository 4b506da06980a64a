-- Turns are rows, what no host has is not due, and who brought a reference
-- depends: 0009_truth
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '10min';

-- An advisory lock can be taken by whoever may connect, so that a reader could stop all work.
CREATE TABLE fleet.turns (
  name text COLLATE "C" PRIMARY KEY,
  holder uuid NOT NULL,
  until timestamptz NOT NULL,
  done_at timestamptz
) WITH (fillfactor = 10);
COMMENT ON TABLE fleet.turns IS 'Work that one process does at a time, a row each. A turn that is not given back runs out.';
COMMENT ON COLUMN fleet.turns.name IS 'The work.';
COMMENT ON COLUMN fleet.turns.holder IS 'Who has the turn: a number of this turn''s own.';
COMMENT ON COLUMN fleet.turns.until IS 'When the turn is free; a moment that is over when nobody has it.';
COMMENT ON COLUMN fleet.turns.done_at IS 'When the work was last done.';
-- migrate: rollback
-- Forward only.
