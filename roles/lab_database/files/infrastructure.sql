-- The content of a whole PostgreSQL server as the infrastructure database of a cluster has it: Keycloak's logins, AWX's
-- own database where asked for, roles of every sort, and a third database with every name and type that a careless
-- dump or restore gets wrong.
--
-- Run by psql as a superuser, on the database postgres, with these variables:
--   system   the system's name; it seeds the rows, so that no two servers of the lab hold the same
--   factor   how much: 1 makes about 60,000 rows
--   awx      true adds AWX's database
-- The same variables always make the same rows. The last statement leaves a mark; where the mark stands nothing is done,
-- and a load that broke before it starts over.

\set ON_ERROR_STOP on
\set QUIET on
\set notes 'Fragment "notes" & O''Neil''s $1'
\set mark 'lab content 2: ' :system ', factor ' :factor ', awx ' :awx
SET client_min_messages = warning;

SELECT coalesce(shobj_description(oid, 'pg_database') = :'mark', false) AS loaded
FROM pg_database WHERE datname = 'postgres' \gset
\if :loaded
  \echo content: present
  \quit
\endif

-- A subscription keeps its database from being dropped.
SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'restoring_project') AS other_content \gset
\if :other_content
  \connect restoring_project
  SET default_transaction_read_only = off;
  SELECT format('ALTER SUBSCRIPTION %I SET (slot_name = NONE)', subname) FROM pg_subscription \gexec
  SELECT format('DROP SUBSCRIPTION %I', subname) FROM pg_subscription \gexec
  \connect postgres
  DROP DATABASE restoring_project WITH (FORCE);
\endif
DROP DATABASE IF EXISTS keycloak WITH (FORCE);
DROP DATABASE IF EXISTS awx WITH (FORCE);
DROP DATABASE IF EXISTS :"notes" WITH (FORCE);
DROP DATABASE IF EXISTS "a=b" WITH (FORCE);
DROP ROLE IF EXISTS "a|b ""role""", only_in_a_policy, keycloak, awx, operators, readers, reporting, replicator, former_employee, "Jane O'Neil", "im-admins";

-- Roles --------------------------------------------------------------------------------------------------------------

CREATE ROLE keycloak LOGIN PASSWORD 'lab-keycloak' CONNECTION LIMIT 50;
CREATE ROLE awx LOGIN CREATEDB PASSWORD 'lab-awx';
CREATE ROLE "im-admins" CREATEROLE CREATEDB NOLOGIN;
CREATE ROLE operators NOLOGIN;
CREATE ROLE readers NOLOGIN NOINHERIT;
CREATE ROLE reporting LOGIN NOINHERIT PASSWORD 'it''s "quoted"; DROP ROLE admin;' VALID UNTIL '2031-03-31 12:00:00+00';
CREATE ROLE replicator LOGIN REPLICATION PASSWORD 'lab-replicator';
CREATE ROLE former_employee NOLOGIN PASSWORD NULL CONNECTION LIMIT 0;
CREATE ROLE "Jane O'Neil" LOGIN BYPASSRLS PASSWORD 'lab-jane';
GRANT operators TO "Jane O'Neil" WITH ADMIN OPTION;
GRANT readers TO operators, reporting;
GRANT pg_monitor TO reporting;
GRANT "im-admins" TO "Jane O'Neil";
ALTER ROLE reporting SET statement_timeout = '30s';
ALTER ROLE "Jane O'Neil" SET search_path = "$user", public, "odd schema";
CREATE ROLE only_in_a_policy NOLOGIN;
CREATE ROLE "a|b ""role""" NOLOGIN VALID UNTIL 'infinity';
ALTER ROLE ALL SET lock_timeout = '3min';
COMMENT ON ROLE former_employee IS 'left in 2023; owns nothing; CREATE ROLE postgres; is only text here';

-- Keycloak -----------------------------------------------------------------------------------------------------------

CREATE DATABASE keycloak OWNER keycloak TEMPLATE template0 ENCODING 'UTF8';
REVOKE CONNECT ON DATABASE keycloak FROM PUBLIC;
GRANT CONNECT ON DATABASE keycloak TO readers;
ALTER DATABASE keycloak SET timezone = 'Europe/London';
ALTER ROLE keycloak IN DATABASE keycloak SET work_mem = '16MB';
COMMENT ON DATABASE keycloak IS 'logins; DROP ROLE admin; is only text here';

\connect keycloak
SET client_min_messages = warning;
GRANT USAGE, CREATE ON SCHEMA public TO keycloak;
SET ROLE keycloak;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO readers;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO operators;

CREATE TABLE realm (
  id varchar(36) PRIMARY KEY,
  name varchar(255) NOT NULL UNIQUE,
  enabled boolean NOT NULL DEFAULT true,
  access_token_lifespan integer,
  not_before integer,
  ssl_required varchar(255)
);
INSERT INTO realm
SELECT md5(:'system' || name)::uuid::text, name, true, 300, 0, 'EXTERNAL'
FROM unnest(ARRAY['master', 'xchem', 'Frag''s "odd" realm ☃', :'system']) AS name;

CREATE TABLE client (
  id varchar(36) PRIMARY KEY,
  client_id varchar(255),
  realm_id varchar(36) REFERENCES realm,
  secret varchar(255),
  base_url varchar(255),
  enabled boolean NOT NULL DEFAULT true,
  UNIQUE (realm_id, client_id)
);
INSERT INTO client
SELECT md5(:'system' || r.name || c)::uuid::text, c, r.id, md5('secret' || c || r.id),
  'https://example.org/' || c || '?a=1&b=%20', c <> 'admin-cli'
FROM realm r, unnest(ARRAY['account', 'admin-cli', 'fragalysis-production', 'data-manager', 'broker']) AS c;

CREATE TABLE keycloak_role (
  id varchar(36) PRIMARY KEY,
  name varchar(255),
  description varchar(255),
  realm_id varchar(36) REFERENCES realm,
  client varchar(36) REFERENCES client,
  client_role boolean NOT NULL DEFAULT false
);
INSERT INTO keycloak_role
SELECT md5(c.id || n)::uuid::text, n, '${role_' || n || '}', c.realm_id, c.id, true
FROM client c, unnest(ARRAY['view-profile', 'manage-account', 'offline_access', 'uma_authorization']) AS n;

CREATE TABLE user_entity (
  id varchar(36) PRIMARY KEY,
  email varchar(255),
  email_verified boolean NOT NULL DEFAULT false,
  enabled boolean NOT NULL DEFAULT false,
  first_name varchar(255),
  last_name varchar(255),
  username varchar(255),
  realm_id varchar(36) REFERENCES realm,
  created_timestamp bigint,
  UNIQUE (realm_id, username)
);
INSERT INTO user_entity
SELECT md5(:'system' || 'user' || i)::uuid::text,
  CASE WHEN i % 17 = 0 THEN NULL ELSE 'user' || i || '@example.org' END,
  i % 3 = 0, i % 29 <> 0,
  (ARRAY['Zoë', 'Siân', 'Øyvind', 'Łukasz', 'Anne-Marie', '美咲', 'José', 'O''Brien'])[1 + i % 8],
  (ARRAY['Nuñez', 'van der "Berg"', 'Müller', 'Smith\Jones', E'Tab\tbed', 'D''Arcy', 'Ångström', ''])[1 + i % 8],
  'user-' || i, r.id, 1600000000000 + i::bigint * 86413
FROM generate_series(1, greatest(50, (:factor * 4000)::integer)) AS i
JOIN (SELECT id, row_number() OVER (ORDER BY name) - 1 AS n FROM realm) r ON r.n = i % 4;
CREATE INDEX idx_user_email ON user_entity (email);
CREATE INDEX idx_user_lower_username ON user_entity (lower(username)) WHERE enabled;

CREATE TABLE credential (
  id varchar(36) PRIMARY KEY,
  user_id varchar(36) REFERENCES user_entity ON DELETE CASCADE,
  type varchar(255),
  created_date bigint,
  secret_data text,
  credential_data text,
  priority integer
);
INSERT INTO credential
SELECT md5('credential' || u.id)::uuid::text, u.id, 'password', u.created_timestamp,
  json_build_object('value', encode(sha256(convert_to(u.id, 'UTF8')), 'base64'), 'salt', encode(sha224(convert_to(u.id, 'UTF8')), 'base64'))::text,
  '{"hashIterations":27500,"algorithm":"pbkdf2-sha256","additionalParameters":{}}', 10
FROM user_entity u;

CREATE TABLE user_attribute (
  id varchar(36) PRIMARY KEY,
  name varchar(255) NOT NULL,
  value varchar(255),
  user_id varchar(36) NOT NULL REFERENCES user_entity ON DELETE CASCADE
);
INSERT INTO user_attribute
SELECT md5(n || u.id)::uuid::text, n, left(n || ' of ' || u.username, 255), u.id
FROM user_entity u, unnest(ARRAY['locale', 'proposals']) AS n;

CREATE TABLE user_role_mapping (
  role_id varchar(36) NOT NULL REFERENCES keycloak_role,
  user_id varchar(36) NOT NULL REFERENCES user_entity ON DELETE CASCADE,
  PRIMARY KEY (role_id, user_id)
);
INSERT INTO user_role_mapping
SELECT k.id, u.id
FROM user_entity u JOIN keycloak_role k ON k.realm_id = u.realm_id
WHERE hashtext(k.id || u.id) % 10 = 0;

CREATE TABLE event_entity (
  id varchar(36) PRIMARY KEY,
  client_id varchar(255),
  details_json text,
  error varchar(255),
  ip_address inet,
  realm_id varchar(255),
  event_time bigint,
  type varchar(255),
  user_id varchar(255)
);
INSERT INTO event_entity
SELECT md5(:'system' || 'event' || i)::uuid::text, 'fragalysis-production',
  json_build_object('redirect_uri', 'https://example.org/viewer/', 'code_id', md5('code' || i), 'sql', 'CREATE ROLE admin; DROP ROLE admin;')::text,
  CASE WHEN i % 11 = 0 THEN 'invalid_user_credentials' END,
  ('10.' || i % 250 || '.' || i / 250 % 250 || '.7')::inet,
  :'system', 1700000000000 + i::bigint * 977, CASE WHEN i % 11 = 0 THEN 'LOGIN_ERROR' ELSE 'LOGIN' END,
  md5(:'system' || 'user' || 1 + i % 50)::uuid::text
FROM generate_series(1, (:factor * 20000)::integer) AS i;
CREATE INDEX idx_event_time ON event_entity (realm_id, event_time);

CREATE VIEW failed_logins AS
  SELECT date_trunc('day', to_timestamp(event_time / 1000.0)) AS day, count(*) AS failures
  FROM event_entity WHERE error IS NOT NULL GROUP BY 1;
CREATE FUNCTION enabled_users(realm_name text) RETURNS bigint LANGUAGE sql STABLE AS $body$
  SELECT count(*) FROM user_entity u JOIN realm r ON r.id = u.realm_id WHERE u.enabled AND r.name = realm_name
$body$;
RESET ROLE;

-- AWX ----------------------------------------------------------------------------------------------------------------

\if :awx
CREATE DATABASE awx OWNER awx TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8';
\connect awx
SET client_min_messages = warning;
GRANT USAGE, CREATE ON SCHEMA public TO awx;
SET ROLE awx;

CREATE TABLE conf_setting (
  id integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  created timestamptz NOT NULL, modified timestamptz NOT NULL,
  key varchar(255) NOT NULL, value jsonb, user_id integer
);
INSERT INTO conf_setting (created, modified, key, value)
SELECT '2024-01-01 10:00+00'::timestamptz + i * interval '1 day', '2025-01-01 10:00+00', 'SETTING_' || i,
  jsonb_build_object('n', i, 'secret', '$encrypted$UTF8$AESCBC$' || encode(convert_to(md5('s' || i), 'UTF8'), 'base64'), 'null', NULL)
FROM generate_series(1, 40) AS i;

CREATE TABLE main_inventory (
  id integer GENERATED BY DEFAULT AS IDENTITY (START 7 INCREMENT 3) PRIMARY KEY,
  name varchar(512) NOT NULL, kind varchar(32) NOT NULL DEFAULT '', variables text NOT NULL DEFAULT ''
);
INSERT INTO main_inventory (name, variables)
SELECT 'inventory ' || i, E'---\nansible_connection: local\nn: ' || i || E'\n' FROM generate_series(1, 12) AS i;

CREATE TABLE main_host (
  id serial PRIMARY KEY, name varchar(512) NOT NULL, enabled boolean NOT NULL DEFAULT true,
  inventory_id integer NOT NULL REFERENCES main_inventory DEFERRABLE INITIALLY DEFERRED,
  variables text NOT NULL DEFAULT '', ansible_facts jsonb NOT NULL DEFAULT '{}',
  UNIQUE (name, inventory_id)
);
INSERT INTO main_host (name, inventory_id, ansible_facts)
SELECT 'host-' || i, 7 + 3 * (i % 12), jsonb_build_object('ansible_kernel', '5.4.0-' || i, 'list', to_jsonb(ARRAY[i, i * 2]))
FROM generate_series(1, greatest(10, (:factor * 300)::integer)) AS i;

CREATE TABLE main_unifiedjob (
  id serial PRIMARY KEY, name varchar(512) NOT NULL, status varchar(20) NOT NULL,
  started timestamptz, finished timestamptz, elapsed numeric(12, 3) NOT NULL, result_traceback text NOT NULL DEFAULT ''
);
INSERT INTO main_unifiedjob (name, status, started, finished, elapsed)
SELECT 'job ' || i % 9, (ARRAY['successful', 'failed', 'canceled', 'error'])[1 + i % 4],
  '2026-01-01 00:00+00'::timestamptz + i * interval '1 hour', '2026-01-01 00:00+00'::timestamptz + i * interval '1 hour' + i % 90 * interval '1.25 s',
  i % 90 * 1.25
FROM generate_series(1, greatest(10, (:factor * 2000)::integer)) AS i;

CREATE TABLE main_jobevent (
  id bigint NOT NULL, created timestamptz, event varchar(100) NOT NULL, event_data text NOT NULL, failed boolean NOT NULL,
  job_id integer, job_created timestamptz NOT NULL, stdout text NOT NULL, uuid varchar(1024) NOT NULL,
  PRIMARY KEY (id, job_created)
) PARTITION BY RANGE (job_created);
CREATE SEQUENCE main_jobevent_id_seq AS bigint OWNED BY main_jobevent.id CACHE 20;
ALTER TABLE main_jobevent ALTER id SET DEFAULT nextval('main_jobevent_id_seq');
CREATE TABLE main_jobevent_20260101_00 PARTITION OF main_jobevent FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-01-02 00:00+00');
CREATE TABLE main_jobevent_20260102_00 PARTITION OF main_jobevent FOR VALUES FROM ('2026-01-02 00:00+00') TO ('2026-01-03 00:00+00');
CREATE TABLE main_jobevent_rest PARTITION OF main_jobevent DEFAULT;
INSERT INTO main_jobevent (created, event, event_data, failed, job_id, job_created, stdout, uuid)
SELECT t, 'runner_on_ok', '{"task": "Drop the role; DROP ROLE admin;", "res": {"rc": 0}}', i % 31 = 0, 1 + i % 10, t,
  E'\x1b[0;32mok: [host-' || i || E']\x1b[0m\r\n' || repeat('task output ', i % 20), md5(:'system' || i)::uuid::text
FROM generate_series(1, (:factor * 12000)::integer) AS i, LATERAL (SELECT '2026-01-01 00:00+00'::timestamptz + i * interval '17 s') AS at (t);
CREATE INDEX main_jobevent_job_id ON main_jobevent (job_id, job_created);
RESET ROLE;
\endif

-- What careless tools get wrong --------------------------------------------------------------------------------------

CREATE DATABASE :"notes" OWNER "im-admins" TEMPLATE template0 ENCODING 'UTF8'
  LC_COLLATE 'C' LC_CTYPE 'C' CONNECTION LIMIT 25;
\connect -reuse-previous=on "dbname='Fragment ""notes"" & O\'Neil\'s $1'"
SET client_min_messages = warning;
CREATE SCHEMA "odd schema" AUTHORIZATION "im-admins";
GRANT USAGE ON SCHEMA "odd schema" TO readers;
ALTER DEFAULT PRIVILEGES IN SCHEMA "odd schema" GRANT SELECT ON TABLES TO readers WITH GRANT OPTION;
SET search_path = "odd schema", public;
CREATE EXTENSION hstore;
CREATE EXTENSION citext SCHEMA "odd schema";

CREATE TYPE mood AS ENUM ('sad', 'it''s fine', 'happy ☺');
CREATE DOMAIN smiles AS text CHECK (VALUE !~ '\s');
CREATE TYPE point3 AS (x double precision, y double precision, z double precision);
CREATE SEQUENCE countdown INCREMENT -5 MINVALUE -1000 MAXVALUE 100 START 100 CYCLE;
SELECT nextval('countdown'), nextval('countdown') \g /dev/null

CREATE TABLE "Table with ""quotes"", spaces; and a semicolon" (
  "select" integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  "From" text NOT NULL,
  "Doubled" integer GENERATED ALWAYS AS (length("From") * 2) STORED,
  feeling mood, at point3, structure smiles, seen tstzrange, tags text[], matrix integer[][], map hstore, login citext,
  raw bytea, amount numeric, ratio double precision, net cidr, span interval, doc xml, j json, jb jsonb, nothing text
);
INSERT INTO "Table with ""quotes"", spaces; and a semicolon"
  ("From", feeling, at, structure, seen, tags, matrix, map, login, raw, amount, ratio, net, span, j, jb)
SELECT
  (ARRAY['DROP ROLE admin;', 'CREATE ROLE admin;', 'CREATE ROLE postgres;', E'\\.', E'\\N', E'a\tb\nc\rd\\e', '',
    E'\nDROP ROLE admin;\nCREATE ROLE admin;\n', '-- PostgreSQL database dump complete', '\connect template1', 'naïve ☃ 𝔘𝔫𝔦', E'e\u0301 is not é',
    $$quoted '' "" $body$ ; $1$$, 'COPY public.x FROM stdin;', '\unrestrict x'])[1 + i % 15],
  (ENUM_RANGE(NULL::mood))[1 + i % 3], row(i * 0.1, -i / 3.0, 'NaN')::point3, 'C' || repeat('1=CC', i % 5),
  tstzrange('2026-01-01 00:00+00', CASE WHEN i % 2 = 0 THEN '2026-01-02 00:00:00.123456+00' END::timestamptz, '[)'),
  ARRAY['a,b', '{x}', NULL, '"q"', i::text], ARRAY[[i, 2], [3, NULL]],
  hstore(ARRAY['k"', '=>', 'v' || i, NULL]), 'User' || i,
  decode(repeat(md5(:'system' || i), i % 40), 'hex'), i / 7.0::numeric(40, 30), CASE i % 5 WHEN 0 THEN 'Infinity' WHEN 1 THEN '-0' ELSE (i / 3.0)::text END::double precision,
  '10.0.0.0/8', i * interval '1 month 2 days 3.4567 s', '{"b": 1,  "a": [ ]}', '{"b": 1, "a": [1e3, null, "\u2603"]}'
FROM generate_series(1, 15 * greatest(4, (:factor * 200)::integer)) AS i;

CREATE TABLE no_columns ();
INSERT INTO no_columns DEFAULT VALUES;
INSERT INTO no_columns DEFAULT VALUES;
CREATE UNLOGGED TABLE scratch AS SELECT i FROM generate_series(1, 10) AS i;

CREATE TABLE hen (id integer PRIMARY KEY, egg integer);
CREATE TABLE egg (id integer PRIMARY KEY, hen integer NOT NULL REFERENCES hen DEFERRABLE INITIALLY DEFERRED);
INSERT INTO hen SELECT i, i FROM generate_series(1, 100) AS i;
INSERT INTO egg SELECT i, i FROM generate_series(1, 100) AS i;
ALTER TABLE hen ADD CONSTRAINT "hen's egg" FOREIGN KEY (egg) REFERENCES egg DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE hen ADD CONSTRAINT later CHECK (id < 50) NOT VALID;
ALTER TABLE hen DROP CONSTRAINT later;

CREATE TABLE parent (id integer, note text DEFAULT 'of the parent');
ALTER TABLE parent DROP COLUMN note, ADD COLUMN note text DEFAULT E'added\nlater';
CREATE TABLE child (extra integer) INHERITS (parent);
INSERT INTO parent SELECT i FROM generate_series(1, 10) AS i;
INSERT INTO child (id, extra) SELECT i, i FROM generate_series(11, 30) AS i;

CREATE TABLE guarded (owner name NOT NULL DEFAULT current_user, text text);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
ALTER TABLE guarded FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON guarded TO readers USING (owner = current_user);
GRANT SELECT (text), INSERT ON guarded TO readers;
INSERT INTO guarded SELECT 'Jane O''Neil', 'row ' || i FROM generate_series(1, 20) AS i;

CREATE MATERIALIZED VIEW "Counted" AS
  SELECT feeling, count(*) AS n FROM "Table with ""quotes"", spaces; and a semicolon" GROUP BY feeling;
CREATE UNIQUE INDEX ON "Counted" (feeling);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $_$
BEGIN
  -- DROP ROLE admin; in a function's body
  NEW.note := coalesce(NEW.note, $$touched $_ $$);
  RETURN NEW;
END
$_$;
CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON parent FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE parent DISABLE TRIGGER touch;
CREATE RULE nothing AS ON DELETE TO no_columns DO INSTEAD NOTHING;
CREATE STATISTICS hen_stats ON id, egg FROM hen;
SET client_min_messages = error; -- the server says here that its wal_level is not logical
CREATE PUBLICATION eggs FOR TABLE egg, hen;
COMMENT ON TABLE no_columns IS E'a comment with ''quotes''\nand DROP ROLE admin;\non its own line';

SELECT lo_from_bytea(70000 + i, decode(repeat(md5(:'system' || i), i * 100), 'hex')) FROM generate_series(1, 12) AS i \g /dev/null
SELECT lo_from_bytea(71000, '') \g /dev/null
ALTER LARGE OBJECT 70001 OWNER TO "im-admins";
GRANT SELECT ON LARGE OBJECT 70002 TO readers;
COMMENT ON LARGE OBJECT 70003 IS 'a picture';

-- Names, encodings and settings that stopped backups or restores ------------------------------------------------------

CREATE DATABASE "a=b" OWNER operators TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C';
ALTER DATABASE "a=b" SET statement_timeout = '2s';
ALTER DATABASE "a=b" SET quote_all_identifiers = on;
ALTER DATABASE "a=b" SET search_path = "x.y", public;
ALTER DATABASE "a=b" SET idle_in_transaction_session_timeout = '2s';
\connect -reuse-previous=on "dbname='a=b'"
SET client_min_messages = warning;
SET client_encoding = 'UTF8';
SET statement_timeout = 0;
CREATE SCHEMA "x.y" AUTHORIZATION operators;
CREATE TABLE "größe" ("übung" text);
INSERT INTO "größe" VALUES ('Ä'), ('\.'), (E'\\.\n\\.'), (NULL), (';create role evil superuser login;');
CREATE TABLE "a|b" (x integer);
INSERT INTO "a|b" SELECT i FROM generate_series(1, 100) AS i;
CREATE TABLE public."it's ""q"", (x) FROM stdin;" (x integer) WITH (fillfactor = 70);
CREATE DOMAIN public.positive AS integer;
CREATE TABLE public.uses_positive AS SELECT 1::public.positive AS x;
ALTER DOMAIN public.positive ADD CONSTRAINT positive CHECK (VALUE > 0) NOT VALID;
ALTER TABLE "a|b" ENABLE ROW LEVEL SECURITY;
CREATE POLICY for_one_role ON "a|b" TO only_in_a_policy USING (x > 0);
CREATE VIEW public.egg AS SELECT 1 AS x;
CREATE VIEW public.hen AS SELECT x FROM public.egg;
CREATE OR REPLACE VIEW public.egg AS SELECT x FROM public.hen WHERE false UNION ALL SELECT 2;
CREATE FUNCTION public.in_standard_sql(a integer) RETURNS integer LANGUAGE sql
  BEGIN ATOMIC SELECT 1; SELECT CASE WHEN a > 0 THEN 2 ELSE 3 END; END;
CREATE RULE many AS ON INSERT TO public.uses_positive DO ALSO (INSERT INTO "a|b" VALUES (1); INSERT INTO "a|b" VALUES (2));

-- A name that restores use too, in a database that takes no writes and no users, with a subscription that never ran.
CREATE DATABASE restoring_project OWNER "a|b ""role""" TEMPLATE template0 CONNECTION LIMIT 0;
ALTER DATABASE restoring_project SET default_transaction_read_only = on;
\connect restoring_project
SET client_min_messages = warning;
SET default_transaction_read_only = off;
CREATE TABLE U&"two\000Alines, ""quoted"" and a|b" (U&"x\000Ay" text);
INSERT INTO U&"two\000Alines, ""quoted"" and a|b" VALUES (E'x\ny'), ('\.');
ALTER TABLE U&"two\000Alines, ""quoted"" and a|b" OWNER TO "a|b ""role""";
SET client_min_messages = error; -- the server warns that it is not connected
BEGIN;
CREATE SUBSCRIPTION never_ran CONNECTION 'host=127.0.0.1 port=1 dbname=none' PUBLICATION "p|1" WITH (connect = false, slot_name = 'none_such');
SELECT format('COMMENT ON DATABASE postgres IS %L', :'mark') \gexec
COMMIT;
\echo content: loaded
