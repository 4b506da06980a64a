-- The logins of ingest, of those who read and of the notifier, as often as you like: psql
-- --file=logins.sql, with INGEST_DATABASE_PASSWORD, OPERATOR_DATABASE_PASSWORD and
-- NOTIFIER_DATABASE_PASSWORD in the environment. Then `imagedrift migrate` gives the roles their
-- rights, and each login that reads the limits of its sessions.
\getenv ingest_password INGEST_DATABASE_PASSWORD
\getenv operator_password OPERATOR_DATABASE_PASSWORD
\getenv notifier_password NOTIFIER_DATABASE_PASSWORD
SELECT format('CREATE ROLE %I %s', name, kind)
FROM (VALUES ('imagedrift_writer', 'NOLOGIN'), ('imagedrift_operator', 'NOLOGIN'),
    ('imagedrift_notifier', 'NOLOGIN'),
    ('ingest', 'LOGIN'), ('operator', 'LOGIN'), ('notifier', 'LOGIN')) AS roles (name, kind)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
GRANT imagedrift_writer TO ingest;
GRANT imagedrift_operator TO operator;
GRANT imagedrift_notifier TO notifier;
ALTER ROLE ingest PASSWORD :'ingest_password' CONNECTION LIMIT 40;
ALTER ROLE operator PASSWORD :'operator_password' CONNECTION LIMIT 20; -- the pages take 8
ALTER ROLE notifier PASSWORD :'notifier_password' CONNECTION LIMIT 10; -- a process takes 4
