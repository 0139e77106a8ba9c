-- Where cleanup runs stopped that did not come to their end, so that the next one goes on there.

CREATE TABLE oauthctl.cleanup_position (
    table_name  text        NOT NULL,
    sweep       text        NOT NULL,
    fingerprint text        NOT NULL,
    next_key    text,
    stopped_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    run_id      bigint      REFERENCES oauthctl.run (id) ON DELETE SET NULL,

    PRIMARY KEY (table_name, sweep)
);

CREATE INDEX cleanup_position_run_id ON oauthctl.cleanup_position (run_id);

COMMENT ON TABLE oauthctl.cleanup_position IS 'One row per sweep in which a run stopped. A run that comes to its end deletes it. To begin at the beginning, delete it yourself.';
COMMENT ON COLUMN oauthctl.cleanup_position.table_name IS 'The table that is walked, as schema.table.';
COMMENT ON COLUMN oauthctl.cleanup_position.sweep IS 'The categories that are deleted on the way, joined by +.';
COMMENT ON COLUMN oauthctl.cleanup_position.fingerprint IS 'A digest of the policy and the table. A run with another one begins at the beginning.';
COMMENT ON COLUMN oauthctl.cleanup_position.next_key IS 'The first primary key that was not done, as text. NULL: the sweep begins.';
COMMENT ON COLUMN oauthctl.cleanup_position.stopped_at IS 'When the run stopped, by the clock of the database.';
COMMENT ON COLUMN oauthctl.cleanup_position.run_id IS 'The run; NULL once the history of that time has been deleted.';
