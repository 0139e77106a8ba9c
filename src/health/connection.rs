//! The way to the server, and the server.

use super::{Check, Engine, Finding, Purpose, Terms};
use crate::model::health::{Encryption, Server};

/// The way there.
pub(super) fn check(server: &Server, tls: Option<&Encryption>) -> Vec<Finding> {
    let Server { database, role, address, superuser, .. } = server;
    let whom = format!("as {role}{}, database {database}", if *superuser { " (superuser)" } else { "" });
    let finding = match (address, tls) {
        (None, _) => Finding::ok(Check::Connection, format!("Over a Unix socket, {whom}.")),
        (Some(_), Some(Encryption { version, cipher, bits })) => {
            Finding::ok(Check::Connection, format!("{version} ({cipher}, {bits} bits), {whom}."))
        }
        (Some(address), None) if is_loopback(address) => {
            Finding::ok(Check::Connection, format!("To this machine ({address}) without TLS, {whom}."))
        }
        (Some(address), None) => {
            Finding::note(Check::Connection, format!("To {address} without TLS, {whom}."))
                .meaning("Whoever can listen on the way reads hashed secrets, client ids and users. Behind a pooler this is about the pooler's connection, not about yours.")
                .shell("export PGSSLMODE=verify-full PGSSLROOTCERT=system")
        }
    };
    vec![finding]
}

fn is_loopback(address: &str) -> bool {
    address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Who answered.
pub(super) fn server(server: &Server, terms: &Terms) -> Vec<Finding> {
    let engine = Engine::recognise(&server.traits);
    let mut findings = vec![if engine.is_postgresql() {
        Finding::ok(Check::Server, format!("{engine} {}.", server.version))
    } else {
        Finding::note(Check::Server, format!("This is {engine}: {}.", server.traits.version)).meaning(
            "oauthctl is tested with PostgreSQL. Engines that only speak like it lack some of what cleanup relies on.",
        )
    }];
    if server.standby && terms.purposes.iter().any(|purpose| *purpose != Purpose::Plan) {
        findings.push(
            Finding::problem(Check::Server, "This server is a standby, so nothing can be written.")
                .meaning("`plan` and `status` work here; `apply` and `cleartokens` need the primary.")
                .shell("export PGTARGETSESSIONATTRS=primary   # and name all hosts in PGHOST"),
        );
    }
    findings
}
