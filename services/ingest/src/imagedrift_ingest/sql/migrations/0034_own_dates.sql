-- A date that one host alone tells of an image is a date: views over the whole fleet read it as one
-- depends: 0032_notifications
-- migrate: apply
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '10min';

-- One value that cannot be read would fail every question about all images. Rows of before are not
-- read for it: ingest wrote none.
ALTER TABLE fleet.host_images ADD CONSTRAINT host_images_own_date CHECK (
  (own ->> 'created_at') ~ '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]'
) NOT VALID;
-- migrate: rollback
-- Forward only.
