//! Tables: which failure leads to which next attempt, and to which words.

use std::time::Duration;

use super::{Cause, ConnectError, Failure, signature, tls_text};

fn server(sqlstate: &str) -> Cause {
    Cause::Server { sqlstate: sqlstate.to_owned(), message: String::new(), password_file: None }
}

/// Whether other hosts are tried, whether the other way is tried with or without TLS, whether it is a refused
/// login, and whether the whole may be tried again later.
#[test]
fn each_cause_leads_to_its_next_attempt() {
    let text = String::new;
    for (cause, tries_others, tries_other_way, is_refusal, is_transient) in [
        (Cause::Lookup(text()), true, false, false, true),
        (Cause::Io(text()), true, false, false, true),
        (Cause::TimedOut(Duration::ZERO), true, false, false, true),
        (Cause::WrongServer("the server is a standby"), true, false, false, true),
        (Cause::Tls(text()), false, true, false, false),
        (Cause::NoPassword, false, false, true, false),
        (Cause::Authentication(text()), false, false, true, false),
        (Cause::Other(text()), false, false, false, false),
        // Starting.
        (server("57P03"), true, false, false, true),
        // Going down.
        (server("57P01"), false, true, false, true),
        // Full.
        (server("53300"), false, false, false, true),
        // A wrong password; no such database; no line in pg_hba.conf, which may be for the other way.
        (server("28P01"), false, false, true, false),
        (server("3D000"), false, false, true, false),
        (server("28000"), false, true, true, false),
    ] {
        let found =
            (!cause.is_final(), cause.depends_on_encryption(), cause.is_refusal(), cause.is_transient());
        assert_eq!(found, (tries_others, tries_other_way, is_refusal, is_transient), "{cause:?}");
    }
}

#[test]
fn the_last_failure_says_what_it_was_and_any_of_them_whether_to_wait() {
    let error = |causes: Vec<Cause>| {
        let failure =
            |cause| Failure { host: "db:5432".to_owned(), addresses: vec!["10.0.0.1".to_owned()], cause };
        ConnectError::from_failures("db".to_owned(), causes.into_iter().map(failure).collect())
    };
    let io = || Cause::Io("refused".to_owned());
    for (causes, is_login_refused, is_transient, sqlstate, lines) in [
        (vec![io()], false, true, None, 1),
        (vec![io(), io()], false, true, None, 1),
        (vec![io(), server("28P01")], true, false, Some("28P01"), 2),
        (vec![server("28P01"), io()], false, true, None, 2),
        (vec![server("53300")], false, true, Some("53300"), 1),
        (vec![Cause::Tls(String::new())], false, false, None, 1),
    ] {
        let about = format!("{causes:?}");
        let error = error(causes);
        assert_eq!(
            (error.is_login_refused(), error.is_transient(), error.sqlstate(), error.failures().len()),
            (is_login_refused, is_transient, sqlstate, lines),
            "{about}"
        );
    }
}

#[test]
fn weak_signatures_have_names() {
    let sha1 = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05, 0x05, 0x00].to_vec();
    let bad = rustls::CertificateError::UnsupportedSignatureAlgorithmContext {
        signature_algorithm_id: sha1,
        supported_algorithms: Vec::new(),
    };
    assert_eq!(
        tls_text(&rustls::Error::InvalidCertificate(bad)),
        "the server's certificate, or one above it, is signed with SHA-1, which can be forged: it has to be issued anew"
    );
    assert_eq!(signature(&[0x06, 0x01, 0x00]), "in a way that is not supported");
}

#[test]
fn a_direct_handshake_that_is_cut_off_says_what_it_needs() {
    let closed = Cause::Tls("the server closed the connection during the TLS handshake".to_owned());
    assert!(closed.of_direct_handshake().to_string().ends_with("needs PostgreSQL 17 or later"));
    let expired = Cause::Tls("the server's certificate has expired".to_owned());
    assert_eq!(expired.clone().of_direct_handshake(), expired);
}
