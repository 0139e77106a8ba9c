//! Settings are found as libpq finds them: `psql` and oauthctl get the same strings, variables and files, and what
//! they then say to a server (who, which database, which options, which password) is compared byte by byte.
//!
//! The server is none: it listens, notes down the startup packet, asks for a password, and refuses it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oauthctl::conninfo::{Given, Machine, Sources, resolve};
use oauthctl::db::connect::Database;
use tempfile::TempDir;

use super::support::server::programs;

const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;

/// Reads one client's side of the login, and notes down what it says.
fn listen(mut client: impl Read + Write, listener: &str) -> Option<String> {
    let mut said = format!("{listener}:");
    loop {
        let length = u32::from_be_bytes(read(&mut client)?) as usize;
        let code = u32::from_be_bytes(read(&mut client)?);
        if matches!(code, SSL_REQUEST | GSS_REQUEST) {
            client.write_all(b"N").ok()?;
            continue;
        }
        let mut parameters = vec![0; length - 8];
        client.read_exact(&mut parameters).ok()?;
        let texts: Vec<_> = parameters.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        let parameters: BTreeMap<_, _> = texts.chunks_exact(2).map(|pair| (&pair[0], &pair[1])).collect();
        for (name, value) in parameters {
            if !name.is_empty() && name != "client_encoding" {
                let _ = write!(said, " {name}={value}");
            }
        }
        break;
    }
    // "Your password, in clear."
    client.write_all(&[b'R', 0, 0, 0, 8, 0, 0, 0, 3]).ok()?;
    let Some([b'p']) = read(&mut client) else { return Some(said + " without a password") };
    let length = u32::from_be_bytes(read(&mut client)?) as usize;
    let mut password = vec![0; length - 4];
    client.read_exact(&mut password).ok()?;
    let _ = write!(said, " password={}", String::from_utf8_lossy(&password).trim_end_matches('\0'));
    let _ = client.write_all(b"E\0\0\0\x1fSFATAL\0C28P01\0Mnot this one\0\0");
    Some(said)
}

fn read<const N: usize>(client: &mut impl Read) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    client.read_exact(&mut bytes).ok().map(|()| bytes)
}

/// What the listeners have heard.
#[derive(Clone, Default)]
struct Notes {
    said: Arc<Mutex<Vec<String>>>,
    /// Clients that are being listened to.
    busy: Arc<AtomicUsize>,
}

impl Notes {
    fn take_from(&self, clients: impl Iterator<Item = io::Result<impl Read + Write>>, listener: &str) {
        for client in clients {
            self.busy.fetch_add(1, Ordering::SeqCst);
            self.said.lock().unwrap().extend(listen(client.unwrap(), listener));
            self.busy.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// What was said since the last time, by clients that have ended: none of them is waiting to be accepted, because
    /// each has waited for an answer.
    fn take(&self) -> Vec<String> {
        for _ in 0..10_000 {
            if self.busy.load(Ordering::SeqCst) == 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        std::mem::take(&mut self.said.lock().unwrap())
    }
}

fn listen_on_tcp(name: &'static str, notes: Notes) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || notes.take_from(listener.incoming(), name));
    port
}

fn listen_on_socket(name: &'static str, path: &Path, notes: Notes) {
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || notes.take_from(listener.incoming(), name));
}

/// A home directory, two servers on TCP, one on a socket in the home directory, and a port on which nobody listens.
struct Place {
    home: TempDir,
    first: u16,
    second: u16,
    nobody: u16,
    notes: Notes,
}

impl Place {
    fn new() -> Self {
        let home = TempDir::new().unwrap();
        let notes = Notes::default();
        let (first, second) = (listen_on_tcp("first", notes.clone()), listen_on_tcp("second", notes.clone()));
        listen_on_socket("socket", &home.path().join(".s.PGSQL.5432"), notes.clone());
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { home, first, second, nobody, notes }
    }

    fn fill_in(&self, text: &str) -> String {
        text.replace("[first]", &self.first.to_string())
            .replace("[second]", &self.second.to_string())
            .replace("[nobody]", &self.nobody.to_string())
            .replace("[home]", self.home.path().to_str().unwrap())
            .replace("[%home]", &self.home.path().to_str().unwrap().replace('/', "%2F"))
    }

    /// What was said since the last time; several attempts of one client are one text.
    fn said(&self, fallback_name: &str) -> String {
        let own = format!("application_name={fallback_name}");
        let said = self.notes.take().join("\n").replace(&own, "application_name=[own]");
        if said.is_empty() { "nothing".to_owned() } else { said }
    }

    fn psql(&self, case: &Case) -> String {
        let mut psql = Command::new(programs().program("psql"));
        psql.env_clear().env("HOME", self.home.path()).args(["-Xw", "-c", "SELECT 1"]);
        psql.envs(self.variables(case));
        if !case.text.is_empty() {
            psql.arg("-d").arg(self.fill_in(case.text));
        }
        let output = psql.output().unwrap();
        assert!(!output.status.success());
        self.said("psql")
    }

    async fn ours(&self, case: &Case) -> String {
        let mut variables = self.variables(case);
        variables.insert("HOME", self.home.path().to_str().unwrap().to_owned());
        let machine = Machine::new(|name: &str| variables.get(name).cloned());
        let text = self.fill_in(case.text);
        let command_line = Some(Given { label: "the test", text: &text });
        if let Ok(settings) = resolve(&Sources { command_line, file: None }, &machine) {
            assert!(Database::connect(&settings, "oauthctl test", 1).await.is_err());
        }
        self.said("oauthctl test")
    }

    fn variables(&self, case: &Case) -> BTreeMap<&'static str, String> {
        case.variables.iter().map(|(name, value)| (*name, self.fill_in(value))).collect()
    }

    fn write(&self, case: &Case) {
        for (name, text) in case.files {
            let path = self.home.path().join(name);
            fs::write(&path, self.fill_in(text)).unwrap();
            let mode = if name.ends_with("open") { 0o644 } else { 0o600 };
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        }
    }

    fn clear(&self, case: &Case) {
        for (name, _) in case.files {
            fs::remove_file(self.home.path().join(name)).unwrap();
        }
    }
}

/// Variables or files: names with values.
type Named = &'static [(&'static str, &'static str)];

struct Case {
    text: &'static str,
    variables: Named,
    files: Named,
}

const fn text(text: &'static str) -> Case {
    Case { text, variables: &[], files: &[] }
}

const fn with(text: &'static str, variables: Named, files: Named) -> Case {
    Case { text, variables, files }
}

const SERVICES: (&str, &str) = (
    ".pg_service.conf",
    "# services\n[one]\nhost=127.0.0.1\nport=[first]\nuser=of one\npassword=from the service\n\n[two]\nhost=127.0.0.1\n\
     port=[second]\ndbname=of=two\nuser=\n[broken]\nnonsense\n[unknown]\nhosst=x\n[nested]\nservice=one\n",
);

const PASSWORDS: (&str, &str) = (
    ".pgpass",
    "#127.0.0.1:*:*:*:a comment\n127.0.0.1:[second]:*:*:of the second\n127.0.0.1:*:with\\:colon:*:a\\:b\\\\c\n\
     127.0.0.1:*:*:ann:of ann:ignored\nlocalhost:*:*:*:of localhost\n[home]:*:*:*:of the socket\n*:*:*:bob:of bob\n",
);

const CASES: &[Case] = &[
    // Connection strings of both kinds.
    text("host=127.0.0.1 port=[first] user=ann dbname=app password=p"),
    text("  host = 127.0.0.1  port=[first]\tuser = 'ann b' dbname='it''s' password='a\\'b\\\\c' "),
    text("host=127.0.0.1 port=[first] user=a\\ b password=x dbname="),
    text("host=127.0.0.1 port=[first] user=ann user=bob password=x password=y"),
    text("postgres://ann:p@127.0.0.1:[first]/app"),
    text(
        "postgresql://ann:a%3Ab%2Fc%40d%25@127.0.0.1:[first]/my%20app?application_name=me&options=-c%20a%3Db",
    ),
    text("postgres://127.0.0.1:[first]/app?user=ann&password=p&sslmode=disable"),
    text("postgres://ann@127.0.0.1:[first]?password=p"),
    text("postgres://ann:@127.0.0.1:[first]/"),
    text("postgres://:p@127.0.0.1:[first]/app?user=ann"),
    text("postgres://ann:p@/app?host=127.0.0.1&port=[first]"),
    text("postgres://ann:p@[%home]/app"),
    text("postgres://ann:p@/app?host=[home]"),
    text("host=[home] user=ann password=p fallback_application_name=fall"),
    text("host=[home] user=ann password=p fallback_application_name=fall application_name=name"),
    text("hostaddr=127.0.0.1 port=[first] user=ann password=p"),
    text("host=no-such-host.invalid hostaddr=127.0.0.1 port=[first] user=ann password=p"),
    text("requiressl=0 host=127.0.0.1 port=[first] user=ann password=p"),
    // Several hosts.
    text("host=127.0.0.1,127.0.0.1 port=[nobody],[second] user=ann password=p"),
    text("host=127.0.0.1,127.0.0.1 port=[second],[first] user=ann password=p"),
    text("postgres://ann:p@127.0.0.1:[nobody],127.0.0.1:[first]/app"),
    text("hostaddr=127.0.0.1,127.0.0.1 port=[nobody],[first] user=ann password=p"),
    text("host=[home]/nowhere,[home] user=ann password=p"),
    text("host=no-such-host.invalid,127.0.0.1 port=[first] user=ann password=p"),
    text("host=127.0.0.1,127.0.0.1 port=[first],[first],[first] user=ann password=p"),
    text("host=127.0.0.1,127.0.0.1 hostaddr=127.0.0.1 port=[first] user=ann password=p"),
    // Broken ones.
    text("host=127.0.0.1 port=[first] user=ann password='p"),
    text("host=127.0.0.1 port=[first] nonsense user=ann"),
    text("hosst=127.0.0.1 port=[first]"),
    text("postgres://ann:p@127.0.0.1:[first]/app?nonsense=1"),
    text("postgres://ann:p@127.0.0.1:[first]/app?user"),
    text("postgres://ann:p@127.0.0.1:[first]/app?user=a=b"),
    text("postgres://ann:%zz@127.0.0.1:[first]/app"),
    text("postgres://ann:p@[::1/app"),
    text("host=127.0.0.1 port=[first]0000 user=ann password=p"),
    text("host=127.0.0.1 port=[first] sslmode=verifyfull user=ann password=p"),
    text("host=127.0.0.1 port=[first] sslmode='' user=ann password=p"),
    text("host=127.0.0.1 port=[first] target_session_attrs=writable user=ann password=p"),
    text("host=127.0.0.1 port=[first] channel_binding=yes user=ann password=p"),
    text("host=127.0.0.1 port=[first] keepalives=x user=ann password=p"),
    // The environment.
    with("", &[("PGHOST", "127.0.0.1"), ("PGPORT", "[first]"), ("PGUSER", "ann"), ("PGPASSWORD", "p")], &[]),
    with("", &[("PGHOST", "[home]"), ("PGDATABASE", "app"), ("PGUSER", "ann"), ("PGPASSWORD", "p")], &[]),
    with(
        "",
        &[("PGHOSTADDR", "127.0.0.1"), ("PGPORT", "[first]"), ("PGPASSWORD", "p"), ("PGUSER", "a")],
        &[],
    ),
    with(
        "postgres://127.0.0.1:[first]",
        &[
            ("PGHOST", "nowhere"),
            ("PGUSER", "ann"),
            ("PGPASSWORD", "p"),
            ("PGAPPNAME", "n"),
            ("PGOPTIONS", "-c a=b"),
        ],
        &[],
    ),
    with("host=127.0.0.1 port=[first]", &[("PGPASSWORD", "p")], &[]),
    with("host='' hostaddr=127.0.0.1 port=[first] user=ann", &[("PGHOST", "x"), ("PGPASSWORD", "p")], &[]),
    // The service file.
    with("service=one", &[], &[SERVICES]),
    with("service=one user=ann password=p", &[("PGUSER", "x"), ("PGPASSWORD", "x")], &[SERVICES]),
    with("postgres:///?service=two&user=ann", &[("PGPASSWORD", "p")], &[SERVICES]),
    with("", &[("PGSERVICE", "one"), ("PGHOST", "nowhere"), ("PGDATABASE", "app")], &[SERVICES]),
    with("user=ann", &[("PGSERVICE", "two"), ("PGPASSWORD", "p")], &[SERVICES]),
    with(
        "",
        &[("PGSERVICE", "other"), ("PGSERVICEFILE", "[home]/my")],
        &[("my", "[other]\nhost=127.0.0.1\nport=[first]\nuser=u\npassword=p\n")],
    ),
    with("service=broken", &[], &[SERVICES]),
    with("service=unknown", &[], &[SERVICES]),
    with("service=nested", &[], &[SERVICES]),
    with("service=none", &[], &[SERVICES]),
    with("", &[("PGSERVICE", "one"), ("PGSERVICEFILE", "[home]/none")], &[]),
    // The password file.
    with("host=127.0.0.1 port=[first] user=ann", &[], &[PASSWORDS]),
    with("host=127.0.0.1 port=[first] user=bob", &[], &[PASSWORDS]),
    with("host=127.0.0.1 port=[first] user=carol", &[], &[PASSWORDS]),
    with("host=127.0.0.1 port=[first] user=carol dbname=with:colon", &[], &[PASSWORDS]),
    with("host=127.0.0.1,127.0.0.1 port=[nobody],[second] user=ann", &[], &[PASSWORDS]),
    with("host=localhost hostaddr=127.0.0.1 port=[first] user=x", &[], &[PASSWORDS]),
    with("hostaddr=127.0.0.1 port=[first] user=ann", &[], &[PASSWORDS]),
    with("host=[home] user=ann", &[], &[PASSWORDS]),
    with("host=127.0.0.1 port=[first] user=ann password=p", &[], &[PASSWORDS]),
    with("host=127.0.0.1 port=[first] user=ann password=''", &[], &[PASSWORDS]),
    with("host=127.0.0.1 port=[first] user=ann passfile=[home]/mine", &[], &[("mine", "*:*:*:*:mine")]),
    with(
        "host=127.0.0.1 port=[first] user=ann",
        &[("PGPASSFILE", "[home]/open")],
        &[("open", "*:*:*:*:open")],
    ),
    with("host=127.0.0.1 port=[first] user=ann", &[("PGPASSFILE", "[home]/none")], &[PASSWORDS]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_said_to_the_server_is_what_psql_says() {
    let place = Place::new();
    let mut wrong = Vec::new();
    for case in CASES {
        place.write(case);
        let (psql, ours) = (place.psql(case), place.ours(case).await);
        place.clear(case);
        if psql != ours {
            wrong.push(format!("{} {:?}\npsql: {psql}\nours: {ours}", case.text, case.variables));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
