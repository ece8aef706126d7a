-- The content of the stack's database as Fragalysis has it: Django's own tables, targets, compounds, observations, saved
-- sessions, with extensions, large objects, partitions and every column type that is awkward to copy.
--
-- Run by psql as a superuser, on the database postgres, with these variables:
--   system    the system's name; it seeds the rows, so that no two servers of the lab hold the same
--   factor    how much: 1 makes about 60,000 rows and 30 MB
--   database  the database's name
--   owner     the role that owns it
-- The same variables always make the same rows. The last statement leaves a mark; where the mark stands nothing is done,
-- and a load that broke before it starts over.

\set ON_ERROR_STOP on
\set QUIET on
\set mark 'lab content: ' :system ', factor ' :factor
SET client_min_messages = warning;

SELECT coalesce((SELECT shobj_description(oid, 'pg_database') = :'mark' FROM pg_database WHERE datname = :'database'), false) AS loaded \gset
\if :loaded
  \echo content: present
  \quit
\endif

DROP DATABASE IF EXISTS :"database" WITH (FORCE);
SELECT format('CREATE ROLE %I LOGIN PASSWORD %L', :'owner', 'lab-' || :'owner')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'owner') \gexec
CREATE DATABASE :"database" OWNER :"owner" TEMPLATE template0 ENCODING 'UTF8';

\connect :database
SET client_min_messages = warning;
CREATE EXTENSION pg_trgm;
CREATE EXTENSION hstore;
CREATE EXTENSION citext;
CREATE EXTENSION "uuid-ossp";
GRANT USAGE, CREATE ON SCHEMA public TO :"owner";
SET ROLE :"owner";

-- Django -------------------------------------------------------------------------------------------------------------

CREATE TABLE django_migrations (id serial PRIMARY KEY, app varchar(255) NOT NULL, name varchar(255) NOT NULL, applied timestamptz NOT NULL);
INSERT INTO django_migrations (app, name, applied)
SELECT (ARRAY['auth', 'viewer', 'hypothesis', 'hotspots', 'scoring', 'xcdb'])[1 + i % 6], lpad(i::text, 4, '0') || '_auto', '2019-11-01 08:00+00'::timestamptz + i * interval '9 days 1 hour 0.000001 s'
FROM generate_series(1, 180) AS i;

CREATE TABLE django_content_type (id serial PRIMARY KEY, app_label varchar(100) NOT NULL, model varchar(100) NOT NULL, UNIQUE (app_label, model));
INSERT INTO django_content_type (app_label, model) SELECT 'viewer', 'model' || i FROM generate_series(1, 60) AS i;

CREATE TABLE auth_permission (
  id serial PRIMARY KEY, name varchar(255) NOT NULL, codename varchar(100) NOT NULL,
  content_type_id integer NOT NULL REFERENCES django_content_type DEFERRABLE INITIALLY DEFERRED,
  UNIQUE (content_type_id, codename)
);
INSERT INTO auth_permission (name, codename, content_type_id)
SELECT 'Can ' || verb || ' ' || c.model, verb || '_' || c.model, c.id
FROM django_content_type c, unnest(ARRAY['add', 'change', 'delete', 'view']) AS verb;

CREATE TABLE auth_group (id serial PRIMARY KEY, name varchar(150) NOT NULL UNIQUE);
INSERT INTO auth_group (name) SELECT 'lb' || 18000 + i || '-1' FROM generate_series(1, 40) AS i;

CREATE TABLE auth_user (
  id serial PRIMARY KEY, password varchar(128) NOT NULL, last_login timestamptz, is_superuser boolean NOT NULL,
  username citext NOT NULL UNIQUE, first_name varchar(150) NOT NULL, last_name varchar(150) NOT NULL, email varchar(254) NOT NULL,
  is_staff boolean NOT NULL, is_active boolean NOT NULL, date_joined timestamptz NOT NULL
);
INSERT INTO auth_user (password, last_login, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined)
SELECT 'pbkdf2_sha256$260000$' || md5(i::text) || '$' || encode(sha256(convert_to(:'system' || i, 'UTF8')), 'base64'),
  CASE WHEN i % 5 > 0 THEN '2026-06-01 09:00+00'::timestamptz + i * interval '61.000333 s' END, i = 1, 'fedid' || i,
  (ARRAY['Zoë', 'Siân', '美咲', 'O''Brien'])[1 + i % 4], (ARRAY['Müller', 'van "der" Berg', 'Tab' || E'\t' || 'bed', ''])[1 + i % 4],
  'fedid' || i || '@example.org', i < 5, i % 13 <> 0, '2020-01-01 00:00+00'::timestamptz + i * interval '1 day'
FROM generate_series(1, greatest(20, (:factor * 500)::integer)) AS i;

CREATE TABLE auth_user_groups (
  id serial PRIMARY KEY,
  user_id integer NOT NULL REFERENCES auth_user DEFERRABLE INITIALLY DEFERRED,
  group_id integer NOT NULL REFERENCES auth_group DEFERRABLE INITIALLY DEFERRED,
  UNIQUE (user_id, group_id)
);
INSERT INTO auth_user_groups (user_id, group_id) SELECT u.id, g.id FROM auth_user u JOIN auth_group g ON u.id % 40 = g.id % 40 OR u.id % 7 = g.id;

CREATE TABLE django_session (session_key varchar(40) PRIMARY KEY, session_data text NOT NULL, expire_date timestamptz NOT NULL);
INSERT INTO django_session
SELECT left(md5(:'system' || i) || md5(i::text), 40), encode(convert_to(repeat(md5(i::text), 6), 'UTF8'), 'base64'), '2026-12-01 00:00+00'::timestamptz + i * interval '1 minute'
FROM generate_series(1, (:factor * 3000)::integer) AS i;
CREATE INDEX django_session_expire ON django_session (expire_date);

-- The viewer ---------------------------------------------------------------------------------------------------------

CREATE TABLE viewer_project (id serial PRIMARY KEY, title varchar(200) NOT NULL UNIQUE, init_date timestamptz NOT NULL, open_to_public boolean NOT NULL DEFAULT false);
INSERT INTO viewer_project (title, init_date, open_to_public)
SELECT 'lb' || 18000 + i || '-1', '2020-02-01 00:00+00'::timestamptz + i * interval '11 days', i % 4 = 0 FROM generate_series(1, 40) AS i;

CREATE TABLE viewer_target (
  id serial PRIMARY KEY, title varchar(200) NOT NULL UNIQUE, init_date timestamptz NOT NULL, metadata varchar(255), zip_archive varchar(255),
  upload_status varchar(32), annotations hstore, project_id integer REFERENCES viewer_project DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO viewer_target (title, init_date, metadata, zip_archive, annotations, project_id)
SELECT t || CASE WHEN n > 0 THEN '-' || n ELSE '' END, '2021-03-01 12:00+00'::timestamptz + n * interval '3 days', 'metadata/' || t || '_combined.csv',
  'targets/' || t || '.zip', hstore('organism', 'Homo sapiens') || hstore('note', 'it''s "' || t || '"'), 1 + n % 40
FROM unnest(ARRAY['Mpro', 'NUDT7A', 'PTP1B', 'BRD1A', 'A71EV2A', 'Zika NS2B/NS3', 'DROP ROLE admin;', 'α-synuclein']) AS t, generate_series(0, 4) AS n;

CREATE TABLE viewer_compound (
  id serial PRIMARY KEY, uuid uuid NOT NULL, smiles text NOT NULL, inchi text NOT NULL, inchi_key varchar(255) NOT NULL,
  mol_log_p double precision NOT NULL, mol_wt double precision NOT NULL, tpsa real NOT NULL, heavy_atom_count integer NOT NULL,
  rule_of_five boolean GENERATED ALWAYS AS (mol_wt < 500 AND mol_log_p < 5) STORED,
  ids text[] NOT NULL, properties jsonb NOT NULL, comment text, added timestamp NOT NULL
);
INSERT INTO viewer_compound (uuid, smiles, inchi, inchi_key, mol_log_p, mol_wt, tpsa, heavy_atom_count, ids, properties, comment, added)
SELECT uuid_generate_v5(uuid_ns_url(), :'system' || i), smiles, 'InChI=1S/C' || i % 40 || 'H' || i % 60 || '/c' || md5(i::text), upper(left(md5(smiles || i), 14)) || '-UHFFFAOYSA-N',
  i % 70 / 9.0, 150 + i % 4000 / 8.5, i % 1400 / 11.0, 8 + i % 30,
  ARRAY['Z' || i, 'MCULE-' || i * 7919, NULL, 'a,"b"'], jsonb_build_object('vendor', (ARRAY['Enamine', 'Mcule', 'O''Reilly "Labs"'])[1 + i % 3], 'price', i % 997 / 10.0, 'flags', to_jsonb(ARRAY[i % 2 = 0, NULL])),
  CASE WHEN i % 50 = 0 THEN E'DROP ROLE admin;\nCREATE ROLE admin;\n\\.\nDROP ROLE postgres;' WHEN i % 51 = 0 THEN '' END,
  '2022-05-01'::timestamp + i * interval '1.000001 min'
FROM generate_series(1, (:factor * 20000)::integer) AS i,
  LATERAL (SELECT 'C' || repeat('C', i % 9) || '(=O)N[C@@H](C' || repeat('c1ccccc1', i % 3) || ')\C=C/' || repeat('N', i % 4) AS smiles) AS s;
CREATE INDEX viewer_compound_smiles ON viewer_compound USING gin (smiles gin_trgm_ops);
CREATE INDEX viewer_compound_properties ON viewer_compound USING gin (properties);

CREATE TABLE viewer_siteobservation (
  id bigint GENERATED ALWAYS AS IDENTITY (START 1000 INCREMENT 2), target_id integer NOT NULL REFERENCES viewer_target,
  code varchar(255) NOT NULL, cmpd_id integer REFERENCES viewer_compound, bound_file varchar(255), ligand_mol_file text, event_map bytea,
  observed date NOT NULL, PRIMARY KEY (id, observed)
) PARTITION BY RANGE (observed);
CREATE TABLE viewer_siteobservation_2024 PARTITION OF viewer_siteobservation FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE viewer_siteobservation_2025 PARTITION OF viewer_siteobservation FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY HASH (id);
CREATE TABLE viewer_siteobservation_2025_0 PARTITION OF viewer_siteobservation_2025 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE viewer_siteobservation_2025_1 PARTITION OF viewer_siteobservation_2025 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE viewer_siteobservation_rest PARTITION OF viewer_siteobservation DEFAULT;
INSERT INTO viewer_siteobservation (target_id, code, cmpd_id, bound_file, ligand_mol_file, event_map, observed)
SELECT 1 + i % 40, 'x' || lpad(i::text, 5, '0') || '_' || chr(65 + i % 4), 1 + i % greatest(1, (:factor * 20000)::integer), 'target_loader_data/x' || i || '-apo.pdb',
  E'\n     RDKit          3D\n\n  5  4  0  0  0  0  0  0  0  0999 V2000\n' || repeat(E'    1.2345   -6.7890    0.1234 C   0  0  0  0\n', 5 + i % 20) || E'M  END\n$$$$\n',
  decode(repeat(md5(:'system' || 'map' || i), i % 60), 'hex'), '2023-10-01'::date + i % 1000
FROM generate_series(1, (:factor * 12000)::integer) AS i;
CREATE INDEX viewer_siteobservation_code ON viewer_siteobservation (code);

CREATE TABLE viewer_sessionproject (id serial PRIMARY KEY, title varchar(200) NOT NULL, target_id integer NOT NULL REFERENCES viewer_target, author_id integer REFERENCES auth_user, tags text NOT NULL DEFAULT '[]', made tstzrange);
INSERT INTO viewer_sessionproject (title, target_id, author_id, tags, made)
SELECT 'Session ' || i, 1 + i % 40, 1 + i % 20, '["x"]', tstzrange('2025-01-01 00:00+00'::timestamptz + i * interval '1 hour', NULL) FROM generate_series(1, 300) AS i;

CREATE TABLE viewer_snapshot (
  id serial PRIMARY KEY, title varchar(255) NOT NULL, data json NOT NULL, parent_id integer REFERENCES viewer_snapshot DEFERRABLE INITIALLY DEFERRED,
  session_project_id integer REFERENCES viewer_sessionproject ON DELETE CASCADE, picture oid
);
INSERT INTO viewer_snapshot (title, data, parent_id, session_project_id)
SELECT 'Snapshot ' || i, json_build_object('nglReducers', json_build_object('orient', ARRAY[i, -i, 0.5]), 'big', repeat('0123456789', i % 300)), nullif(i / 2, 0), 1 + i % 300
FROM generate_series(1, greatest(50, (:factor * 2000)::integer)) AS i;

CREATE TABLE hypothesis_interaction (mol_a integer NOT NULL, mol_b integer NOT NULL, kind char(4) NOT NULL DEFAULT 'HB', distance numeric(8, 5), PRIMARY KEY (mol_a, mol_b));
INSERT INTO hypothesis_interaction SELECT i, i * 31 % 7919, (ARRAY['HB', 'PI', 'SALT'])[1 + i % 3], i % 1000 / 77.0 FROM generate_series(1, (:factor * 15000)::integer) AS i;

CREATE VIEW viewer_target_summary AS
  SELECT t.title, count(o.id) AS observations, max(o.observed) AS latest FROM viewer_target t LEFT JOIN viewer_siteobservation o ON o.target_id = t.id GROUP BY t.id, t.title;
CREATE MATERIALIZED VIEW viewer_vendor AS SELECT properties ->> 'vendor' AS vendor, count(*) AS compounds, sum(mol_wt)::numeric(20, 4) AS weight FROM viewer_compound GROUP BY 1;
CREATE FUNCTION compound_name(c viewer_compound) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT c.ids[1] || ' "' || c.inchi_key || '"' $$;
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN NEW.init_date := coalesce(NEW.init_date, now()); RETURN NEW; END $f$;
CREATE TRIGGER stamp BEFORE INSERT ON viewer_target FOR EACH ROW EXECUTE FUNCTION stamp();

-- Thumbnails as large objects, up to 400 kB each.
UPDATE viewer_snapshot SET picture = lo_from_bytea(0, decode(repeat(md5(:'system' || 'picture' || id), 1 + (id * 613) % 25000), 'hex'))
WHERE id <= greatest(10, (:factor * 60)::integer);
SELECT lo_from_bytea(0, '') \g /dev/null
-- Holes in the sequences, as rolled back and deleted rows leave them.
DELETE FROM viewer_sessionproject WHERE id % 17 = 0 AND NOT EXISTS (SELECT FROM viewer_snapshot WHERE session_project_id = viewer_sessionproject.id);
SELECT nextval('viewer_target_id_seq'), nextval('viewer_target_id_seq'), setval('auth_group_id_seq', 4711, false) \g /dev/null
RESET ROLE;

SELECT format('COMMENT ON DATABASE %I IS %L', :'database', :'mark') \gexec
\echo content: loaded
