-- The login that Grafana reads the views with: psql --file=reader.sql, as often as you like, with
-- GRAFANA_DATABASE_PASSWORD in the environment. Then `imagedrift migrate` gives its role the rights,
-- and the login the limits of its sessions.
\getenv password GRAFANA_DATABASE_PASSWORD
SELECT format('CREATE ROLE %I %s', name, kind)
FROM (VALUES ('imagedrift_operator', 'NOLOGIN'), ('grafana', 'LOGIN')) AS roles (name, kind)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
GRANT imagedrift_operator TO grafana;
ALTER ROLE grafana PASSWORD :'password' CONNECTION LIMIT 10;
