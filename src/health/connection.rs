//! The way to the server, and the server.

use super::{Check, Finding, Purpose, Terms, sentence};
use crate::model::health::{Encryption, ReadOnly, Server, SetBy};

/// The way there.
pub(super) fn check(server: &Server, tls: Option<&Encryption>) -> Vec<Finding> {
    let Server { database, role, address, superuser, .. } = server;
    let whom = format!("as {role}{}, database {database}", if *superuser { " (superuser)" } else { "" });
    let finding = match (address, tls) {
        (None, _) => Check::Connection.ok(format!("Over a Unix socket, {whom}.")),
        (Some(_), Some(Encryption { version, cipher, bits })) => {
            Check::Connection.ok(format!("{version} ({cipher}, {bits} bits), {whom}."))
        }
        (Some(address), None) if is_loopback(address) => {
            Check::Connection.ok(format!("To this machine ({address}) without TLS, {whom}."))
        }
        (Some(address), None) => {
            Check::Connection.note(format!("To {address} without TLS, {whom}."))
                .meaning("A listener on the network can read hashed secrets, client ids and users. Behind a pooler this is about the pooler's connection, not about yours.")
                .shell("export PGSSLMODE=verify-full PGSSLROOTCERT=system")
        }
    };
    vec![finding]
}

fn is_loopback(address: &str) -> bool {
    address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

pub(super) fn server(server: &Server, terms: &Terms) -> Vec<Finding> {
    let mut findings = vec![engine(server, terms)];
    findings.extend(server.read_only.as_ref().filter(|_| terms.write()).map(read_only));
    findings.extend(encoding(&server.encoding));
    findings
}

fn read_only(why: &ReadOnly) -> Finding {
    let finding = Check::Server.problem(sentence(&why.to_string()))
        .meaning("`plan` and `status` work here; `apply`, `createapplication`, `rotate-secret` and `cleartokens` do not.");
    match (why, why.statement()) {
        (_, Some(statement)) => finding.sql(statement),
        (ReadOnly::ByDefault(SetBy::Client), None) => finding.shell("unset PGOPTIONS"),
        (_, None) => finding.shell("export PGTARGETSESSIONATTRS=read-write   # and name all hosts in PGHOST"),
    }
}

/// Not every text of the file can be stored in every encoding.
fn encoding(encoding: &str) -> Option<Finding> {
    let meaning = match encoding {
        "UTF8" | "" => return None,
        "SQL_ASCII" => {
            "PostgreSQL checks no text here: what is not UTF-8 in a row fails when oauthctl reads it."
        }
        _ => {
            "Texts of the file that this encoding lacks cannot be stored: `apply` fails then, and nothing is changed."
        }
    };
    Some(Check::Server.note(format!("The database's encoding is {encoding}.")).meaning(meaning))
}

fn engine(server: &Server, terms: &Terms) -> Finding {
    let Server { engine, banner, version, .. } = server;
    if engine.is_postgresql() {
        return Check::Server.ok(format!("{engine} {version}."));
    }
    let cleans = terms.purposes.contains(&Purpose::Cleartokens);
    match engine.refusal() {
        Some(refusal) if cleans => Check::Server.problem(format!("Cleanup is refused: {refusal}."))
            .meaning(format!("`docs/engines.md` says why. It says of itself: {banner}."))
            .shell("python manage.py cleartokens"),
        _ => Check::Server.note(format!("This is {engine}: {banner}.")).meaning(if engine.shows_replicas() {
            "oauthctl is tested with PostgreSQL; `docs/design/engines.md` goes through what differs here."
        } else {
            "oauthctl is tested with PostgreSQL. Its readers are not in pg_stat_replication, so `max_replica_lag` is refused; \
             see `docs/design/engines.md`."
        }),
    }
}
