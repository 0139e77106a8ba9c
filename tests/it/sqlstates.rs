//! Every class of SQLSTATE that a verb can meet: what it says, what it says to type, and its exit status. One table.

use std::fmt::Write;

use insta::assert_snapshot;
use oauthctl::db::error::DbError;
use oauthctl::error::Error;

use super::support::Database;
use super::support::database::Template;

/// Code and message, as PostgreSQL 15 has them. What only a broken server says is raised by hand.
const SQLSTATES: [(&str, &str); 47] = [
    ("08006", "connection to client lost"),
    ("08P01", "protocol violation"),
    ("22001", "value too long for type character varying(255)"),
    ("22003", "integer out of range"),
    ("22007", "invalid input syntax for type timestamp with time zone: \"tomorrow's secret\""),
    ("22021", "invalid byte sequence for encoding \"UTF8\": 0xe9 0x74 0x45"),
    ("22P02", "invalid input syntax for type integer: \"a secret\""),
    (
        "22P05",
        "character with byte sequence 0xe2 0x98 0x83 in encoding \"UTF8\" has no equivalent in encoding \"LATIN1\"",
    ),
    ("23502", "null value in column \"organization_id\" of relation \"app\" violates not-null constraint"),
    ("23503", "insert or update on table \"app\" violates foreign key constraint \"app_organization\""),
    ("23505", "duplicate key value violates unique constraint \"app_name_key\""),
    ("23514", "new row for relation \"app\" violates check constraint \"rs256_only\""),
    ("23P01", "conflicting key value violates exclusion constraint \"app_excl\""),
    ("25001", "CREATE DATABASE cannot run inside a transaction block"),
    ("25006", "cannot execute SELECT FOR UPDATE in a read-only transaction"),
    ("25P02", "current transaction is aborted, commands ignored until end of transaction block"),
    ("25P03", "terminating connection due to idle-in-transaction timeout"),
    ("25P04", "terminating connection due to transaction timeout"),
    ("26000", "prepared statement \"s1\" does not exist"),
    ("28000", "no pg_hba.conf entry for host"),
    ("28P01", "password authentication failed for user \"app\""),
    ("3D000", "database \"shop\" does not exist"),
    ("3F000", "schema \"shop\" does not exist"),
    ("40001", "could not serialize access due to concurrent update"),
    ("40001", "canceling statement due to conflict with recovery"),
    ("40003", "statement completion unknown"),
    ("40P01", "deadlock detected"),
    ("42501", "permission denied for table oauth2_provider_application"),
    ("42703", "column t.registration_source does not exist"),
    ("42883", "function txid_status(bigint) does not exist"),
    ("42P01", "relation \"oauth2_provider_application\" does not exist"),
    ("42P05", "prepared statement \"s1\" already exists"),
    ("53100", "could not extend file \"base/5/16384\": No space left on device"),
    ("53200", "out of shared memory"),
    ("53300", "too many connections for role \"app\""),
    ("54000", "index row size 2720 exceeds btree version 4 maximum 2704"),
    ("55000", "database \"shop\" is not currently accepting connections"),
    ("55P03", "canceling statement due to lock timeout"),
    ("57014", "canceling statement due to statement timeout"),
    ("57014", "canceling statement due to user request"),
    ("57P01", "terminating connection due to administrator command"),
    ("57P02", "terminating connection because of crash of another server process"),
    ("57P03", "the database system is starting up"),
    ("57P04", "terminating connection due to conflict with recovery"),
    ("57P05", "terminating connection due to idle-session timeout"),
    ("58030", "could not read block 7 in file \"base/5/16384\": Input/output error"),
    ("XX001", "invalid page in block 7 of relation base/5/16384"),
];

#[tokio::test]
async fn every_class_has_a_message_a_way_out_and_an_exit_status() {
    let test = Database::create(Template::Empty);
    let client = test.connect().await;
    let mut table = String::new();
    for (sqlstate, message) in SQLSTATES {
        let quoted = message.replace('\'', "''");
        let sql = format!(
            "DO $do$ BEGIN RAISE EXCEPTION USING ERRCODE = '{sqlstate}', MESSAGE = '{quoted}', DETAIL = 'Key (name)=(a secret).'; \
             END $do$"
        );
        let raised = client.batch_execute(&sql).await.map_err(DbError::during("the work")).unwrap_err();
        assert_eq!(raised.sqlstate(), Some(sqlstate));
        let error = Error::from(raised);
        let exit = error.exit() as u8;
        writeln!(table, "{sqlstate} {exit} {}", error.to_string().lines().next().unwrap()).unwrap();
        assert_eq!(error.hints().len(), 1, "{sqlstate}: {:?}", error.hints());
        writeln!(table, "        {}", error.hints()[0]).unwrap();
        let is_open = !["08", "25", "28", "3D", "3F", "40", "42", "53", "55", "57"].contains(&&sqlstate[..2]);
        assert!(!is_open || !format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
    assert_snapshot!("sqlstates", table);
}
