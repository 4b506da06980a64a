-- The logins of ingest and of those who read, as often as you like: psql --file=logins.sql, with
-- INGEST_DATABASE_PASSWORD and OPERATOR_DATABASE_PASSWORD in the environment, after `imagedrift
-- migrate`. What a role is set to is not inherited by its members, so it is said for the login.
\getenv ingest_password INGEST_DATABASE_PASSWORD
\getenv operator_password OPERATOR_DATABASE_PASSWORD
SELECT format('CREATE ROLE %I LOGIN', name)
FROM (VALUES ('ingest'), ('operator')) AS logins (name)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
GRANT imagedrift_writer TO ingest;
GRANT imagedrift_operator TO operator;
ALTER ROLE ingest PASSWORD :'ingest_password' CONNECTION LIMIT 40;
ALTER ROLE operator PASSWORD :'operator_password' CONNECTION LIMIT 10;
ALTER ROLE operator SET search_path = ops;
ALTER ROLE operator SET statement_timeout = '30s';
ALTER ROLE operator SET lock_timeout = '5s';
ALTER ROLE operator SET default_transaction_read_only = on;
ALTER ROLE operator SET idle_in_transaction_session_timeout = '60s';
