-- What each run changed in the application table, so that `history show` can say it and `undo` can turn it round. Runs from
-- before this migration have no steps.

ALTER TABLE oauthctl.run ADD COLUMN has_steps boolean NOT NULL DEFAULT false;

CREATE TABLE oauthctl.run_step (
    run_id            bigint  NOT NULL REFERENCES oauthctl.run (id) ON DELETE CASCADE,
    ordinal           integer NOT NULL,
    application_table text    NOT NULL,
    application_id    text,
    client_id         text    NOT NULL,
    step              jsonb   NOT NULL CHECK (step ->> 'action' IN ('create', 'update', 'adopt', 'delete')),
    row_before        jsonb,
    row_after         jsonb,

    PRIMARY KEY (run_id, ordinal)
);

COMMENT ON COLUMN oauthctl.run.has_steps IS 'Whether what the run changed in the application table is in run_step. false: an older oauthctl noted the run, or its role might not write there.';
COMMENT ON TABLE oauthctl.run_step IS 'One row per application that a run created, changed, deleted or recorded, written in the transaction that did it. Without secrets.';
COMMENT ON COLUMN oauthctl.run_step.run_id IS 'The run.';
COMMENT ON COLUMN oauthctl.run_step.ordinal IS 'The place of the step in the plan, from 0.';
COMMENT ON COLUMN oauthctl.run_step.application_table IS 'The table that holds the application, as schema.table.';
COMMENT ON COLUMN oauthctl.run_step.application_id IS 'The primary key of its row there, as text.';
COMMENT ON COLUMN oauthctl.run_step.client_id IS 'Its client_id after the step; of a deletion, before it.';
COMMENT ON COLUMN oauthctl.run_step.step IS 'The step as in the JSON plan. Of a secret only where the new one came from, and whether it is stored hashed.';
COMMENT ON COLUMN oauthctl.run_step.row_before IS 'The row before the step, by field; of the secret only whether there was one. NULL: there was none.';
COMMENT ON COLUMN oauthctl.run_step.row_after IS 'The row after it. NULL: there is none.';
