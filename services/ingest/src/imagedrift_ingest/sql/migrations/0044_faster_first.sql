-- The first inventories of a fleet are stored with less work
-- depends: 0043_asked_descriptions
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '10min';

-- Ingest wakes the references of a batch itself: it knows them, and need not find them by its images.
DROP TRIGGER wake_references ON fleet.host_images;
-- squawk-ignore ban-drop-function
DROP FUNCTION fleet.wake_references();
-- migrate: rollback
-- Forward only.
