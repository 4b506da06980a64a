-- The only statements that write: a viewer's decision, and taking one back.
-- The database checks what is decided, and who may.

-- name: decide
SELECT decision_id
FROM ops.decide(:reference::text,
                jsonb_strip_nulls(jsonb_build_object(
                  'site', nullif(:site::text, ''), 'place', nullif(:place::text, ''),
                  'label', nullif(:label::text, ''))),
                :kind::text,
                coalesce(nullif(:until::text, '')::timestamptz,
                         now() + nullif(:span::text, '')::interval),
                :reason::text, nullif(:value::text, ''));

-- name: undo
SELECT ops.undo(:decision_id::bigint, :reason::text) AS decision_id;
