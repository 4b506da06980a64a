-- The login that Grafana reads the views with: psql -v password=... -f reader.sql, as often as you
-- like. What a role is set to is not inherited by its members, so it is said here once more.
SELECT 'CREATE ROLE grafana LOGIN'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'grafana') \gexec
GRANT imagedrift_operator TO grafana;
ALTER ROLE grafana PASSWORD :'password' CONNECTION LIMIT 10;
ALTER ROLE grafana SET search_path = ops;
ALTER ROLE grafana SET statement_timeout = '30s';
ALTER ROLE grafana SET default_transaction_read_only = on;
ALTER ROLE grafana SET idle_in_transaction_session_timeout = '60s';
