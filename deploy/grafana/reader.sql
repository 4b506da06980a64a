-- The login that Grafana reads the views with: psql --file=reader.sql, as often as you like, with
-- GRAFANA_DATABASE_PASSWORD in the environment. What a role is set to is not inherited by its
-- members, so it is said here once more.
\getenv password GRAFANA_DATABASE_PASSWORD
SELECT 'CREATE ROLE grafana LOGIN'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'grafana') \gexec
GRANT imagedrift_operator TO grafana;
ALTER ROLE grafana PASSWORD :'password' CONNECTION LIMIT 10;
ALTER ROLE grafana SET search_path = ops;
ALTER ROLE grafana SET statement_timeout = '30s';
ALTER ROLE grafana SET lock_timeout = '5s';
ALTER ROLE grafana SET default_transaction_read_only = on;
ALTER ROLE grafana SET idle_in_transaction_session_timeout = '60s';
