-- The login of the notifier: psql --file=notifier.sql, as often as you like, with
-- NOTIFIER_DATABASE_PASSWORD in the environment. Then `imagedrift migrate` gives its role the rights.
\getenv password NOTIFIER_DATABASE_PASSWORD
SELECT format('CREATE ROLE %I %s', name, kind)
FROM (VALUES ('imagedrift_notifier', 'NOLOGIN'), ('notifier', 'LOGIN')) AS roles (name, kind)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
GRANT imagedrift_notifier TO notifier;
ALTER ROLE notifier PASSWORD :'password' CONNECTION LIMIT 10;
