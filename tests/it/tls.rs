//! `sslmode` means what it means in libpq: every mode against every kind of server certificate and trust, with
//! `psql`'s verdict on the same settings as the oracle. The snapshots are the tables of `docs/connection.md`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use oauthctl::conninfo::{Given, Machine, Sources, resolve};
use oauthctl::db::connect::{ConnectError, Database};
use rcgen::{BasicConstraints, IsCa, SerialNumber, date_time_ymd};
use tempfile::TempDir;

use super::support::certificates::{Authority, Identity, named, self_signed};
use super::support::network::NetworkServer;
use super::support::server::programs;

const MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// Where a client runs: its home, with files in it.
pub struct Client {
    pub home: TempDir,
}

impl Client {
    pub fn new() -> Self {
        Self { home: TempDir::new().unwrap() }
    }

    /// Writes a file that nobody else may read; answers with its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub async fn ours(&self, conninfo: &str) -> Result<String, ConnectError> {
        let variables = BTreeMap::from([("HOME", self.home.path().to_str().unwrap().to_owned())]);
        let machine = Machine::new(|name: &str| variables.get(name).cloned());
        let command_line = Some(Given { label: "the test", text: conninfo });
        let settings = resolve(&Sources { command_line, file: None }, &machine).unwrap();
        let database = Database::connect(&settings, "oauthctl test", 1).await?;
        let client = database.get().await.unwrap();
        let row = client
            .query_typed_one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[])
            .await
            .unwrap();
        Ok(if row.get(0) { "TLS" } else { "plain" }.to_owned())
    }

    fn psql(&self, conninfo: &str) -> Result<String, String> {
        let output = Command::new(programs().program("psql"))
            .env_clear()
            .env("HOME", self.home.path())
            .args(["-XwAt", "-c", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", conninfo])
            .output()
            .unwrap();
        match String::from_utf8(output.stdout).unwrap().trim() {
            "t" => Ok("TLS".to_owned()),
            "f" => Ok("plain".to_owned()),
            _ => Err(String::from_utf8(output.stderr).unwrap()),
        }
    }

    /// Both verdicts as one; `ours≠psql's` where they differ.
    async fn verdict(&self, conninfo: &str) -> String {
        let (ours, psql) = (self.ours(conninfo).await, self.psql(conninfo));
        match (&ours, &psql) {
            (Ok(ours), Ok(psql)) if ours == psql => ours.clone(),
            (Err(_), Err(_)) => "-".to_owned(),
            _ => {
                println!("{conninfo}\nours: {ours:?}\npsql: {psql:?}");
                format!("{}≠{}", ours.unwrap_or_default(), psql.unwrap_or_default())
            }
        }
    }
}

/// One line of a table: the verdict under each mode.
async fn line(table: &mut String, title: &str, client: &Client, conninfo: &str) {
    line_of(&MODES, table, title, client, conninfo).await;
}

async fn line_of(modes: &[&str], table: &mut String, title: &str, client: &Client, conninfo: &str) {
    write!(table, "{title:<44}").unwrap();
    for mode in modes {
        let verdict = client.verdict(&format!("{conninfo} sslmode={mode}")).await;
        write!(table, " {verdict:<11}").unwrap();
    }
    table.truncate(table.trim_end().len());
    table.push('\n');
}

fn heading(modes: &[&str]) -> String {
    let mut heading = format!("{:<44}", "");
    for mode in modes {
        write!(heading, " {mode:<11}").unwrap();
    }
    heading.trim_end().to_owned() + "\n"
}

/// All verdicts were psql's, too.
fn assert_same(table: &str) {
    assert!(!table.contains('≠'), "psql says something else:\n{table}");
}

pub fn to(server: &NetworkServer, user: &str) -> String {
    format!("host=localhost hostaddr=127.0.0.1 port={} user={user} dbname=postgres", server.port())
}

#[tokio::test]
async fn every_mode_and_every_certificate_end_as_with_psql() {
    let Some(server) = NetworkServer::for_tls("tls::every_mode_and_every_certificate_end_as_with_psql")
    else {
        return;
    };
    let client = Client::new();
    let authority = Authority::new("Test authority");
    let root = client.file("authority.pem", &authority.pem);
    client.file("somebody-else.pem", &Authority::new("Somebody else").pem);
    let old = Authority::expired("Old authority");
    client.file("old-authority.pem", &old.pem);
    // Without TLS, certificates are nothing to look at.
    let encrypting = &MODES[2..];
    let mut table = heading(encrypting);
    line_of(encrypting, &mut table, "no TLS; nobody trusted", &client, &to(&server, "anyone")).await;
    let trusting = format!("{} sslrootcert={root}", to(&server, "anyone"));
    line_of(encrypting, &mut table, "no TLS; authority trusted", &client, &trusting).await;

    let below = authority.intermediate("Intermediate");
    let mut chained = below.sign(&named("localhost", &["localhost"]));
    chained.chain.push_str(&below.pem);
    let mut expired = named("localhost", &["localhost"]);
    (expired.not_before, expired.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(2001, 1, 1));
    let mut own_authority = named("localhost", &[]);
    own_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    for (title, identity, trusted) in [
        ("self-signed", self_signed(&named("localhost", &["localhost"])), "nobody somebody-else itself"),
        ("self-signed, CA:TRUE", self_signed(&own_authority), "nobody somebody-else itself"),
        (
            "right name",
            authority.sign(&named("other", &["localhost"])),
            "nobody authority somebody-else itself",
        ),
        ("wrong name", authority.sign(&named("localhost", &["db.example.com"])), "nobody authority"),
        ("common name only", authority.sign(&named("localhost", &[])), "authority"),
        ("common name, an address", authority.sign(&named("localhost", &["10.1.2.3"])), "authority"),
        (
            "version 1",
            authority.sign_version1(&named("localhost", &[])),
            "nobody authority somebody-else itself",
        ),
        ("version 1, wrong name", authority.sign_version1(&named("db.example.com", &[])), "authority"),
        ("over an intermediate", chained, "nobody authority somebody-else intermediate"),
        ("expired", authority.sign(&expired), "nobody authority itself"),
        ("by an expired authority", old.sign(&named("localhost", &["localhost"])), "nobody old-authority"),
    ] {
        server.use_certificate(&identity.chain, &identity.key, &authority.pem);
        client.file("itself.pem", &identity.chain);
        client.file("intermediate.pem", &below.pem);
        for trusted in trusted.split(' ') {
            let file = client.home.path().join(trusted).with_extension("pem");
            let conninfo = format!("{} sslrootcert={}", to(&server, "anyone"), file.display());
            line_of(encrypting, &mut table, &format!("{title}; {trusted} trusted"), &client, &conninfo).await;
        }
    }
    assert_same(&table);
    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn servers_that_insist_on_tls_or_refuse_it_end_as_with_psql() {
    let Some(server) =
        NetworkServer::for_tls("tls::servers_that_insist_on_tls_or_refuse_it_end_as_with_psql")
    else {
        return;
    };
    let client = Client::new();
    let authority = Authority::new("Test authority");
    let root = client.file("authority.pem", &authority.pem);
    let stranger = client.file("stranger.pem", &Authority::new("Somebody else").pem);
    let identity = authority.sign(&named("localhost", &["localhost"]));
    server.use_certificate(&identity.chain, &identity.key, &authority.pem);
    let mut table = heading(&MODES);
    for user in ["tls_only", "plain_only"] {
        line(&mut table, user, &client, &to(&server, user)).await;
        for (title, file) in [("authority", &root), ("somebody else", &stranger)] {
            let conninfo = format!("{} sslrootcert={file}", to(&server, user));
            line(&mut table, &format!("{user}, {title} trusted"), &client, &conninfo).await;
        }
    }
    // In the home directory, the root certificate counts without being named.
    client.file(".postgresql/root.crt", &authority.pem);
    line(&mut table, "tls_only, ~/.postgresql/root.crt", &client, &to(&server, "tls_only")).await;
    client.file(".postgresql/root.crt", &Authority::new("Somebody else").pem);
    line(&mut table, "tls_only, another root.crt", &client, &to(&server, "tls_only")).await;
    assert_same(&table);
    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn client_certificates_end_as_with_psql() {
    let Some(server) = NetworkServer::for_tls("tls::client_certificates_end_as_with_psql") else { return };
    let authority = Authority::new("Test authority");
    let identity = authority.sign(&named("localhost", &["localhost"]));
    server.use_certificate(&identity.chain, &identity.key, &authority.pem);
    let mine = authority.sign(&named("cert", &[]));
    let old = authority.sign_version1(&named("cert", &[]));
    let foreign = Authority::new("Somebody else").sign(&named("cert", &[]));
    let mut table = heading(&MODES);
    for user in ["cert", "cert_any"] {
        for (title, identity) in [
            ("none", None),
            ("of its own", Some(&mine)),
            ("of X.509 version 1", Some(&old)),
            ("of a stranger", Some(&foreign)),
        ] {
            let client = Client::new();
            let mut conninfo = to(&server, user);
            write!(conninfo, " sslrootcert={}", client.file("authority.pem", &authority.pem)).unwrap();
            if let Some(Identity { chain, key }) = identity {
                let (chain, key) = (client.file("my.crt", chain), client.file("my.key", key));
                write!(conninfo, " sslcert={chain} sslkey={key}").unwrap();
            }
            line(&mut table, &format!("{user}, certificate {title}"), &client, &conninfo).await;
        }
    }
    let client = Client::new();
    client.file(".postgresql/postgresql.crt", &mine.chain);
    client.file(".postgresql/postgresql.key", &mine.key);
    line(&mut table, "cert, in ~/.postgresql", &client, &to(&server, "cert")).await;
    let key = client.file(".postgresql/postgresql.key", &mine.key);
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    line(&mut table, "cert, a key that others may read", &client, &to(&server, "cert")).await;
    fs::remove_file(&key).unwrap();
    line(&mut table, "cert, no key", &client, &to(&server, "cert")).await;
    assert_same(&table);
    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn addresses_revocation_and_versions_end_as_with_psql() {
    let Some(server) = NetworkServer::for_tls("tls::addresses_revocation_and_versions_end_as_with_psql")
    else {
        return;
    };
    let client = Client::new();
    let authority = Authority::new("Test authority");
    let root = client.file("authority.pem", &authority.pem);
    let mut table = heading(&MODES);
    let base = format!("port={} user=anyone dbname=postgres sslrootcert={root}", server.port());
    for (title, names) in [("an address", vec!["127.0.0.1"]), ("another address", vec!["10.1.2.3"])] {
        let mut params = named("127.0.0.1", &names);
        params.serial_number = Some(SerialNumber::from(7_u64));
        let identity = authority.sign(&params);
        server.use_certificate(&identity.chain, &identity.key, &authority.pem);
        line(&mut table, &format!("{title}, host=127.0.0.1"), &client, &format!("{base} host=127.0.0.1"))
            .await;
    }
    let identity = {
        let mut params = named("127.0.0.1", &["localhost"]);
        params.serial_number = Some(SerialNumber::from(7_u64));
        authority.sign(&params)
    };
    server.use_certificate(&identity.chain, &identity.key, &authority.pem);
    line(&mut table, "an address as the common name", &client, &format!("{base} host=127.0.0.1")).await;
    line(&mut table, "hostaddr without host", &client, &format!("{base} hostaddr=127.0.0.1")).await;

    let named_server = format!("{base} host=localhost hostaddr=127.0.0.1");
    for (title, revoked) in [("revoked", 7), ("another one revoked", 8)] {
        let list = client.file("crl.pem", &authority.revoke(revoked));
        line(&mut table, title, &client, &format!("{named_server} sslcrl={list}")).await;
    }
    let list = client.file("crl.pem", &Authority::new("Somebody else").revoke(8));
    line(&mut table, "a stranger's revocations", &client, &format!("{named_server} sslcrl={list}")).await;
    client.file(".postgresql/root.crl", &authority.revoke(7));
    line(&mut table, "revoked in ~/.postgresql/root.crl", &client, &named_server).await;
    fs::remove_file(client.home.path().join(".postgresql/root.crl")).unwrap();

    for version in ["TLSv1.2", "TLSv1.3"] {
        let only = format!("ssl_min_protocol_version={version} ssl_max_protocol_version={version}");
        line(&mut table, &format!("{version} only"), &client, &format!("{named_server} {only}")).await;
    }
    server.psql("ALTER SYSTEM SET ssl_max_protocol_version = 'TLSv1.2'");
    server.use_certificate(&identity.chain, &identity.key, &authority.pem);
    let newest = "ssl_min_protocol_version=TLSv1.3";
    line(&mut table, "TLSv1.3 wanted, TLSv1.2 to be had", &client, &format!("{named_server} {newest}")).await;
    let version1 = authority.sign_version1(&named("localhost", &[]));
    server.use_certificate(&version1.chain, &version1.key, &authority.pem);
    line(&mut table, "version 1 certificate over TLSv1.2", &client, &named_server).await;
    assert_same(&table);
    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn channel_binding_ends_as_with_psql() {
    let Some(server) = NetworkServer::for_tls("tls::channel_binding_ends_as_with_psql") else { return };
    let client = Client::new();
    let authority = Authority::new("Test authority");
    let password = oauthctl_password();
    let mut said = String::new();
    for tls in [false, true] {
        if tls {
            let identity = authority.sign(&named("localhost", &["localhost"]));
            server.use_certificate(&identity.chain, &identity.key, &authority.pem);
        }
        for (user, password) in [("scram", password.as_str()), ("md5", "right"), ("anyone", "right")] {
            for binding in ["disable", "prefer", "require"] {
                let conninfo =
                    format!("{} password='{password}' channel_binding={binding}", to(&server, user));
                let verdict = client.verdict(&conninfo).await;
                writeln!(said, "TLS {tls}, {user}, channel_binding={binding}: {verdict}").unwrap();
            }
        }
    }
    assert_same(&said);
    insta::assert_snapshot!(said);
}

/// The password of `scram`, as it is written between quotes in a connection string.
fn oauthctl_password() -> String {
    super::support::network::SCRAM_PASSWORD.replace('\\', "\\\\").replace('\'', "\\'")
}
