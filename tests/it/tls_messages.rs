//! What is said where TLS fails: a certificate that does not fit, a handshake that the server does not know, and the
//! authorities of the operating system.

use std::fmt::Write;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use oauthctl::db::connect::ConnectError;
use rcgen::KeyPair;

use super::support::Sandbox;
use super::support::certificates::{Authority, named};
use super::support::network::{NetworkServer, newest_words};
use super::tls::{Client, to};

#[tokio::test]
async fn what_is_wrong_with_the_certificate_is_said() {
    let Some(server) = NetworkServer::for_tls("tls_messages::what_is_wrong_with_the_certificate_is_said")
    else {
        return;
    };
    let client = Client::new();
    let authority = Authority::new("Test authority");
    let root = client.file("authority.pem", &authority.pem);
    let mut said = String::new();
    let mut say = |title: &str, error: ConnectError| {
        let text = error.to_string().replace(client.home.path().to_str().unwrap(), "[home]");
        let text = newest_words(&text.replace(&server.port().to_string(), "[port]"));
        writeln!(said, "{title}\n  {text}").unwrap();
    };
    let full = |root: &str| format!("{} sslmode=verify-full sslrootcert={root}", to(&server, "anyone"));
    say("no TLS", client.ours(&full(&root)).await.unwrap_err());
    let other = authority.sign(&named("x", &["db.example.com", "10.0.0.1"]));
    server.use_certificate(&other.chain, &other.key, &authority.pem);
    say("wrong name", client.ours(&full(&root)).await.unwrap_err());
    let stranger = client.file("stranger.pem", &Authority::new("Somebody else").pem);
    say("wrong authority", client.ours(&full(&stranger)).await.unwrap_err());
    say("no root certificate", client.ours(&full("/nowhere/root.crt")).await.unwrap_err());
    let broken = client.file("broken.pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
    say("broken root certificate", client.ours(&full(&broken)).await.unwrap_err());
    let empty = client.file("empty.pem", "nothing\n");
    say("empty root certificate", client.ours(&full(&empty)).await.unwrap_err());
    let mine = authority.sign(&named("cert", &[]));
    let certificate = client.file("my.crt", &mine.chain);
    let with_key = |key: &str| format!("{} sslcert={certificate} sslkey={key}", to(&server, "cert"));
    say("no key", client.ours(&with_key("/nowhere/my.key")).await.unwrap_err());
    let key = client.file("my.key", &mine.key);
    fs::set_permissions(Path::new(&key), Permissions::from_mode(0o644)).unwrap();
    say("open key", client.ours(&with_key(&key)).await.unwrap_err());
    let foreign = client.file("foreign.key", &KeyPair::generate().unwrap().serialize_pem());
    say("somebody else's key", client.ours(&with_key(&foreign)).await.unwrap_err());
    let encrypted = client.file(
        "encrypted.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let old = client.file("old.crt", &authority.sign_version1(&named("cert", &[])).chain);
    let with_old = format!("{} sslcert={old} sslkey={foreign}", to(&server, "cert"));
    say("somebody else's key, version 1", client.ours(&with_old).await.unwrap_err());
    say("encrypted key", client.ours(&with_key(&encrypted)).await.unwrap_err());
    say("no certificate", client.ours(&to(&server, "cert")).await.unwrap_err());
    insta::assert_snapshot!(said);
}

/// Servers before PostgreSQL 17 take a handshake without a question for nonsense, and hang up.
#[tokio::test]
async fn a_direct_handshake_says_what_it_needs() {
    let Some(server) = NetworkServer::for_tls("tls_messages::a_direct_handshake_says_what_it_needs") else {
        return;
    };
    let client = Client::new();
    let authority = Authority::new("Test authority");
    let root = client.file("authority.pem", &authority.pem);
    let identity = authority.sign(&named("localhost", &["localhost"]));
    server.use_certificate(&identity.chain, &identity.key, &authority.pem);
    let url =
        format!("{} sslmode=verify-full sslrootcert={root} sslnegotiation=direct", to(&server, "anyone"));
    let knows_it = server.psql("SELECT current_setting('server_version_num')::int >= 170000").trim() == "t";
    match client.ours(&url).await {
        Ok(_) => assert!(knows_it),
        Err(error) => {
            assert!(!knows_it, "{error}");
            assert!(
                error.to_string().contains("sslnegotiation=direct needs PostgreSQL 17 or later"),
                "{error}"
            );
        }
    }
}

/// Which authorities the operating system has can only be told to another process (`SSL_CERT_FILE`).
#[test]
fn the_systems_authorities_are_trusted_when_asked() {
    let Some(server) = NetworkServer::for_tls("tls_messages::the_systems_authorities_are_trusted_when_asked")
    else {
        return;
    };
    let authority = Authority::new("Test authority");
    let identity = authority.sign(&named("localhost", &["localhost"]));
    server.use_certificate(&identity.chain, &identity.key, &authority.pem);
    let mut sandbox = Sandbox::new();
    sandbox.write("oauth.toml", "");
    sandbox.set("DATABASE_URL", format!("{} sslrootcert=system", to(&server, "anyone")));
    for (trusted, code, said) in [
        (&authority, 1, "do not exist"),
        (&Authority::new("Somebody else"), 5, "no trusted authority signed the server's certificate"),
    ] {
        sandbox.set("SSL_CERT_FILE", sandbox.write("system.pem", &trusted.pem));
        let output = sandbox.oauthctl(&["plan"]).exits(code);
        assert!(output.stderr.contains(said), "{output}");
    }
}
