-- oauthctl's own memory in a database: what it has done, and which applications it answers for. Schema `oauthctl`
-- exists when this runs, because the history of these migrations is in it.

CREATE TABLE oauthctl.run (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    verb          text        NOT NULL,
    started_at    timestamptz NOT NULL DEFAULT now(),
    finished_at   timestamptz,
    who           text        NOT NULL,
    db_user       text        NOT NULL DEFAULT session_user,
    version       text        NOT NULL,
    owner         text,
    config_digest text,
    "commit"      text,
    outcome       text        CHECK (outcome IN ('succeeded', 'failed', 'refused', 'interrupted')),
    counts        jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(counts) = 'object'),

    CONSTRAINT run_is_finished_with_an_outcome CHECK ((finished_at IS NULL) = (outcome IS NULL))
);

CREATE INDEX run_started_at ON oauthctl.run (started_at);

COMMENT ON SCHEMA oauthctl IS 'What oauthctl remembers about this database. Dropping it loses history and ownership, and nothing of Django''s.';
COMMENT ON TABLE oauthctl.run IS 'One row per run that was to change something, written when it begins and completed when it ends.';
COMMENT ON COLUMN oauthctl.run.verb IS 'The command: apply, cleartokens, createapplication, rotate-secret and so on.';
COMMENT ON COLUMN oauthctl.run.started_at IS 'When the run began, by the clock of the database.';
COMMENT ON COLUMN oauthctl.run.finished_at IS 'When it ended, by the same clock. NULL: it is running, or it died without saying so.';
COMMENT ON COLUMN oauthctl.run.who IS 'The account and the machine that it ran on, as user@host.';
COMMENT ON COLUMN oauthctl.run.db_user IS 'The role that it logged in as.';
COMMENT ON COLUMN oauthctl.run.version IS 'The version of oauthctl.';
COMMENT ON COLUMN oauthctl.run.owner IS 'The owner name of the file that it worked from; see managed_application.owner. NULL: it worked from no file.';
COMMENT ON COLUMN oauthctl.run.config_digest IS 'SHA-256 of that file, in hexadecimal.';
COMMENT ON COLUMN oauthctl.run."commit" IS 'The commit that the file was at, where that was known.';
COMMENT ON COLUMN oauthctl.run.outcome IS 'succeeded; failed: nothing is half done, an application change is all or nothing; refused: by a safety rail; interrupted: by a signal or a limit, after the batch at hand. NULL: see finished_at.';
COMMENT ON COLUMN oauthctl.run.counts IS 'What it did, by name: created, updated, deleted, and the rows deleted per cleanup category.';


CREATE TABLE oauthctl.managed_application (
    application_table text        NOT NULL,
    application_id    text        NOT NULL,
    client_id         text        NOT NULL,
    owner             text        NOT NULL,
    origin            text        NOT NULL CHECK (origin IN ('created', 'adopted')),
    first_applied_at  timestamptz NOT NULL DEFAULT now(),
    first_run_id      bigint      REFERENCES oauthctl.run (id) ON DELETE SET NULL,
    last_applied_at   timestamptz NOT NULL DEFAULT now(),
    last_run_id       bigint      REFERENCES oauthctl.run (id) ON DELETE SET NULL,

    PRIMARY KEY (application_table, application_id)
);

CREATE INDEX managed_application_owner ON oauthctl.managed_application (owner);
CREATE INDEX managed_application_first_run_id ON oauthctl.managed_application (first_run_id);
CREATE INDEX managed_application_last_run_id ON oauthctl.managed_application (last_run_id);

COMMENT ON TABLE oauthctl.managed_application IS 'Which file answers for which application. prune = "owned" deletes what a file no longer declares only where this table says that this file created it.';
COMMENT ON COLUMN oauthctl.managed_application.application_table IS 'The table that holds the application, as schema.table: one database may hold several providers.';
COMMENT ON COLUMN oauthctl.managed_application.application_id IS 'The primary key of its row there, as text, because swapped models have keys of other types. Not the client_id, so that a rename keeps the owner, and an application that others deleted and made again does not inherit one.';
COMMENT ON COLUMN oauthctl.managed_application.client_id IS 'Its client_id when it was last applied. For readers: the row is found by its key.';
COMMENT ON COLUMN oauthctl.managed_application.owner IS 'The owner name of the file that declares it: what the file says, else its name.';
COMMENT ON COLUMN oauthctl.managed_application.origin IS 'created: oauthctl made the row for this owner. adopted: it was there before, and is never pruned as owned.';
COMMENT ON COLUMN oauthctl.managed_application.first_applied_at IS 'When this owner first applied it.';
COMMENT ON COLUMN oauthctl.managed_application.first_run_id IS 'The run that did; NULL once the history of that time has been deleted.';
COMMENT ON COLUMN oauthctl.managed_application.last_applied_at IS 'When a run of this owner last created or changed it.';
COMMENT ON COLUMN oauthctl.managed_application.last_run_id IS 'The run that did; NULL once the history of that time has been deleted.';
