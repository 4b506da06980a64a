-- Patterns of decisions are read alike, whatever a session has set
-- depends: 0039_route_states
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '1min';

-- Its regular expression has backslashes, which a session may have set to mean something else.
ALTER FUNCTION fleet.check_pattern(text) SET standard_conforming_strings = on;
COMMENT ON COLUMN fleet.answers.brought_by IS 'The host in whose turns it is asked: the first that had it, while that has it; one that runs it where any does.';
-- migrate: rollback
-- Forward only.
