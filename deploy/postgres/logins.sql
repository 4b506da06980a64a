-- The logins of ingest and of those who read, as often as you like: psql --file=logins.sql, with
-- INGEST_DATABASE_PASSWORD and OPERATOR_DATABASE_PASSWORD in the environment. Then `imagedrift
-- migrate` gives the two roles their rights, and each login that reads the limits of its sessions.
\getenv ingest_password INGEST_DATABASE_PASSWORD
\getenv operator_password OPERATOR_DATABASE_PASSWORD
SELECT format('CREATE ROLE %I %s', name, kind)
FROM (VALUES ('imagedrift_writer', 'NOLOGIN'), ('imagedrift_operator', 'NOLOGIN'),
    ('ingest', 'LOGIN'), ('operator', 'LOGIN')) AS roles (name, kind)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
GRANT imagedrift_writer TO ingest;
GRANT imagedrift_operator TO operator;
ALTER ROLE ingest PASSWORD :'ingest_password' CONNECTION LIMIT 40;
ALTER ROLE operator PASSWORD :'operator_password' CONNECTION LIMIT 20; -- the pages take 8
