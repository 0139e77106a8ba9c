-- How large the tables were at the end of a run, and how many rows had been inserted by then, so that `status` can say
-- how much they have grown since.

CREATE TABLE oauthctl.table_measurement (
    run_id        bigint      NOT NULL REFERENCES oauthctl.run (id) ON DELETE CASCADE,
    table_name    text        NOT NULL,
    measured_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    live_rows     bigint      NOT NULL,
    rows_inserted bigint      NOT NULL,
    table_bytes   bigint      NOT NULL,
    index_bytes   bigint      NOT NULL,

    PRIMARY KEY (run_id, table_name)
);

CREATE INDEX table_measurement_table_name ON oauthctl.table_measurement (table_name, measured_at);

COMMENT ON TABLE oauthctl.table_measurement IS 'One row per DOT table and run, written when the run ends.';
COMMENT ON COLUMN oauthctl.table_measurement.run_id IS 'The run.';
COMMENT ON COLUMN oauthctl.table_measurement.table_name IS 'The table, as schema.table.';
COMMENT ON COLUMN oauthctl.table_measurement.measured_at IS 'When it was measured, by the clock of the database.';
COMMENT ON COLUMN oauthctl.table_measurement.live_rows IS 'About how many rows it had, by PostgreSQL''s statistics.';
COMMENT ON COLUMN oauthctl.table_measurement.rows_inserted IS 'How many rows had ever been inserted, by the same statistics, which begin again after a crash or pg_stat_reset().';
COMMENT ON COLUMN oauthctl.table_measurement.table_bytes IS 'Its size with TOAST, without indexes.';
COMMENT ON COLUMN oauthctl.table_measurement.index_bytes IS 'The size of its indexes.';
