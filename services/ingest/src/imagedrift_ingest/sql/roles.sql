-- What is granted to whom, written once: the statements that make what is granted equal to it.
-- $1 is what the names of the four roles begin with, $2 what they began with before. Objects are found, not listed: a view or table
-- that a migration adds is readable and writable by whom it should be.
--
-- is_needed: readers or ingest do not work without it. The rest keeps them within bounds, or lets
-- deciders decide and the notifier work.
WITH roles AS (
  SELECT $1::text || '_operator' AS operator, $1::text || '_writer' AS writer, $1::text || '_decider' AS decider,
    $1::text || '_notifier' AS notifier
),

-- Who migrates, where that is no superuser.
owners (owner) AS (
  SELECT r.rolname::text FROM pg_namespace AS n
  JOIN pg_roles AS r ON r.oid = n.nspowner
  WHERE n.nspname = 'fleet' AND NOT r.rolsuper
),

-- A privilege that has to be there, or (PUBLIC's) that may be. Every other one that PUBLIC or one of
-- the four roles has on these objects is taken away.
rules (kind, schema, grantee, privilege, is_needed) AS (
  SELECT r.* FROM roles, LATERAL (VALUES
    ('DATABASE', '', operator, 'CONNECT', true),
    ('DATABASE', '', writer, 'CONNECT', true),
    ('DATABASE', '', 'PUBLIC', 'CONNECT', false), -- not TEMPORARY: a reader could fill the disk
    ('SCHEMA', 'public', 'PUBLIC', 'USAGE', false), -- not CREATE
    ('SCHEMA', 'public', writer, 'USAGE', true),
    ('SCHEMA', 'fleet', writer, 'USAGE', true),
    ('SCHEMA', 'ops', writer, 'USAGE', true),
    ('SCHEMA', 'ops', operator, 'USAGE', true),
    ('TABLE', 'ops', operator, 'SELECT', true),
    ('TABLE', 'ops', writer, 'SELECT', true),
    ('TABLE', 'fleet', writer, 'SELECT', true),
    ('TABLE', 'fleet', writer, 'INSERT', true),
    ('TABLE', 'fleet', writer, 'UPDATE', true),
    ('TABLE', 'fleet', writer, 'DELETE', true),
    ('TABLE', 'public', writer, 'SELECT', true), -- ingest checks the schema at its start
    ('SEQUENCE', 'fleet', writer, 'USAGE', true),
    ('FUNCTION', 'fleet', writer, 'EXECUTE', true),
    ('DATABASE', '', decider, 'CONNECT', true),
    ('SCHEMA', 'ops', decider, 'USAGE', true),
    ('TABLE', 'ops', decider, 'SELECT', true),
    ('FUNCTION', 'ops', decider, 'EXECUTE', true),
    ('DATABASE', '', notifier, 'CONNECT', true),
    ('SCHEMA', 'ops', notifier, 'USAGE', true),
    ('TABLE', 'ops', notifier, 'SELECT', true),
    ('SCHEMA', 'notify', notifier, 'USAGE', true),
    ('TABLE', 'notify', notifier, 'SELECT', true),
    ('TABLE', 'notify', notifier, 'INSERT', true),
    ('TABLE', 'notify', notifier, 'UPDATE', true),
    ('TABLE', 'notify', notifier, 'DELETE', true)
  ) AS r (kind, schema, grantee, privilege, is_needed)
  UNION ALL
  -- `migrate` takes an advisory lock.
  SELECT 'FUNCTION', 'pg_catalog', owner, 'EXECUTE', true FROM owners
),

objects (kind, schema, name, owner, acl) AS (
  SELECT 'DATABASE', '', quote_ident(datname), datdba, coalesce(datacl, acldefault('d', datdba))
  FROM pg_database
  WHERE datname = current_database()
  UNION ALL
  SELECT 'SCHEMA', nspname, quote_ident(nspname), nspowner, coalesce(nspacl, acldefault('n', nspowner))
  FROM pg_namespace
  WHERE nspname IN ('fleet', 'notify', 'ops', 'public')
  UNION ALL
  SELECT k.kind, n.nspname, format('%I.%I', n.nspname, c.relname), c.relowner,
    coalesce(c.relacl, acldefault(CASE k.kind WHEN 'SEQUENCE' THEN 's'::"char" ELSE 'r'::"char" END, c.relowner))
  FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
  CROSS JOIN LATERAL (SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END) AS k (kind)
  WHERE (n.nspname IN ('fleet', 'notify', 'ops') AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
      OR c.oid = to_regclass('public._pogo_migration'))
    -- The sequence of an identity column needs no privilege.
    AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'i' AND c.relkind = 'S')
  UNION ALL
  -- Functions that run with their owner's rights. The others are checked where they are used.
  SELECT 'FUNCTION', n.nspname, format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
    p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
  FROM pg_proc AS p
  JOIN pg_namespace AS n ON n.oid = p.pronamespace
  WHERE n.nspname IN ('fleet', 'ops') AND p.prosecdef
  UNION ALL
  -- What PostgreSQL lets every login do, though it only reads: fill the table of locks, without which
  -- no statement of anybody runs, or fill the disk with large objects. A dump revokes them by their
  -- arguments, so only functions are named here that have the same ones in every version.
  SELECT 'FUNCTION', n.nspname, format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
    p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
  FROM pg_proc AS p
  JOIN pg_namespace AS n ON n.oid = p.pronamespace
  WHERE n.nspname = 'pg_catalog'
    AND p.proname ~ '^(pg_(try_)?advisory_(xact_)?lock(_shared)?|lo_creat|lo_create|lo_from_bytea)$'
),

-- What is granted on columns is taken away with the table's privilege of that name.
granted AS (
  SELECT o.kind, o.name, coalesce(r.rolname::text, 'PUBLIC') AS grantee, a.privilege_type AS privilege
  FROM (
    SELECT kind, schema, name, owner, acl FROM objects
    UNION ALL
    SELECT o.kind, o.schema, o.name, o.owner, c.attacl
    FROM objects AS o
    JOIN pg_attribute AS c ON c.attrelid = CASE o.kind WHEN 'TABLE' THEN o.name::regclass END
    WHERE c.attacl IS NOT NULL
  ) AS o
  CROSS JOIN LATERAL aclexplode(o.acl) AS a
  LEFT JOIN pg_roles AS r ON r.oid = a.grantee
  CROSS JOIN roles
  WHERE a.grantee <> o.owner
    AND (a.grantee = 0 OR r.rolname IN (
      operator, writer, decider, notifier,
      $2::text || '_operator', $2::text || '_writer', $2::text || '_decider', $2::text || '_notifier')
    OR (o.schema = 'pg_catalog' AND r.rolname IN (SELECT w.owner FROM owners AS w)))
),

ruled AS (
  SELECT o.kind, o.name, r.grantee, r.privilege, r.is_needed
  FROM rules AS r
  JOIN objects AS o USING (kind, schema)
),

differences AS (
  SELECT 'GRANT' AS verb, kind, name, grantee, privilege
  FROM ruled AS r
  WHERE is_needed AND NOT EXISTS (SELECT FROM granted AS g WHERE (g.kind, g.name, g.grantee, g.privilege) = (r.kind, r.name, r.grantee, r.privilege))
  UNION ALL
  SELECT DISTINCT 'REVOKE', kind, name, grantee, privilege
  FROM granted AS g
  WHERE NOT EXISTS (SELECT FROM ruled AS r WHERE (g.kind, g.name, g.grantee, g.privilege) = (r.kind, r.name, r.grantee, r.privilege))
),

-- One statement for all objects of a kind that want the same.
by_object AS (
  SELECT verb, kind, name, grantee, string_agg(privilege, ', ' ORDER BY privilege) AS privileges
  FROM differences
  GROUP BY verb, kind, name, grantee
),

-- Limits of a session are not inherited by the members of a role: each login that reads gets those
-- that nobody has set for it. Neither of them stops somebody who means harm, all stop accidents.
-- But for temp_file_limit, which only a superuser sets: a statement may write so much to the disk.
limits (name, value) AS (
  VALUES ('default_transaction_read_only', 'on'), ('idle_in_transaction_session_timeout', '60s'),
    ('lock_timeout', '5s'), ('search_path', 'ops'), ('statement_timeout', '30s'), ('temp_file_limit', '4GB')
  UNION ALL
  -- Nothing is vacuumed that a transaction may still read, however short its statements are.
  SELECT 'transaction_timeout', '10min' WHERE current_setting('server_version_num')::integer >= 170000
),

readers AS (
  SELECT DISTINCT r.oid, r.rolname, coalesce(pg_has_role(r.oid, d.oid, 'MEMBER'), false) AS decides
  FROM roles
  JOIN pg_roles AS o ON o.rolname IN (operator, decider)
  JOIN pg_roles AS r ON pg_has_role(r.oid, o.oid, 'MEMBER')
  LEFT JOIN pg_roles AS w ON w.rolname = writer
  LEFT JOIN pg_roles AS d ON d.rolname = decider
  WHERE r.rolcanlogin AND NOT r.rolsuper
    AND NOT coalesce(pg_has_role(r.oid, w.oid, 'MEMBER'), false)
    AND NOT EXISTS (SELECT FROM objects WHERE pg_has_role(r.oid, owner, 'MEMBER') AND schema <> 'public')
)

SELECT is_needed, statement
FROM (
  SELECT 1 AS step, name NOT IN (decider, notifier) AS is_needed, format('CREATE ROLE %I NOLOGIN', name) AS statement
  FROM roles, LATERAL (VALUES (operator), (writer), (decider), (notifier)) AS wanted (name)
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
  UNION ALL
  SELECT 2, verb = 'GRANT' AND grantee NOT IN (SELECT decider UNION SELECT notifier UNION SELECT owner FROM owners), format('%s %s ON %s %s %s %s', verb, privileges, kind, string_agg(name, ', ' ORDER BY name),
    CASE verb WHEN 'GRANT' THEN 'TO' ELSE 'FROM' END,
    CASE grantee WHEN 'PUBLIC' THEN grantee ELSE quote_ident(grantee) END)
  FROM by_object
  CROSS JOIN roles
  GROUP BY verb, privileges, kind, grantee, decider, notifier
  UNION ALL
  SELECT 3, false, format('ALTER ROLE %I IN DATABASE %I SET %s = %L', r.rolname, current_database(), l.name, l.value)
  FROM readers AS r
  CROSS JOIN limits AS l
  WHERE NOT (r.decides AND l.name = 'default_transaction_read_only') AND NOT EXISTS (
    SELECT FROM pg_db_role_setting AS s, unnest(s.setconfig) AS setting
    WHERE s.setrole = r.oid AND split_part(setting, '=', 1) = l.name
      AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())))
) AS steps
ORDER BY step, statement
