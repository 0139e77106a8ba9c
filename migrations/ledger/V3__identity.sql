-- What tells this database from every other where the server keeps pg_control_system() to itself: a saved plan is bound
-- to it. Not gen_random_uuid(): PostgreSQL has that from version 13 on.

CREATE TABLE oauthctl.identity (
    only_one boolean     PRIMARY KEY DEFAULT true CHECK (only_one),
    id       text        NOT NULL DEFAULT md5(random()::text || clock_timestamp()::text || pg_backend_pid()::text || txid_current()::text),
    made_at  timestamptz NOT NULL DEFAULT now()
);

INSERT INTO oauthctl.identity DEFAULT VALUES;

COMMENT ON TABLE oauthctl.identity IS 'One row: the random identity of this database, by which a saved plan knows it again.';
COMMENT ON COLUMN oauthctl.identity.only_one IS 'Keeps the table at one row.';
COMMENT ON COLUMN oauthctl.identity.id IS 'The identity. A copy of the database has the same one, until somebody writes another.';
COMMENT ON COLUMN oauthctl.identity.made_at IS 'When it was made.';
