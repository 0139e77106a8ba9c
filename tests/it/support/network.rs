//! A server of a test's own that listens on TCP, with passwords and TLS: what the suite's shared server does not do.
//!
//! `oauthctl::embedded` starts no such server, and must not, so this one runs `initdb` and `postgres` itself. A shell
//! in between ends the server when its standard input ends, that is with the test process, however that dies.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::unistd::{Uid, User};
use tempfile::TempDir;

use super::not_run;
use super::server::programs;

/// The superuser: let in without a password through the socket, and nowhere else.
const SUPERUSER: &str = "postgres";

/// Who is let in over TCP, and how. The names say it.
const LOGINS: &str = "
local     all  postgres                    trust
hostssl   all  anyone,tls_only   all       trust
hostnossl all  anyone,plain_only all       trust
hostssl   all  cert              all       cert
hostssl   all  cert_any          all       trust clientcert=verify-ca
host      all  scram             all       scram-sha-256
host      all  md5               all       md5
host      all  clear             all       password
host      all  read_only         all       trust
local     all  scram             scram-sha-256
";

const ROLES: &str = "
CREATE ROLE anyone LOGIN; CREATE ROLE tls_only LOGIN; CREATE ROLE plain_only LOGIN;
CREATE ROLE cert LOGIN; CREATE ROLE cert_any LOGIN;
SET password_encryption = 'scram-sha-256'; CREATE ROLE scram LOGIN PASSWORD 'right: \\ ''scram''';
SET password_encryption = 'md5'; CREATE ROLE md5 LOGIN PASSWORD 'right'; RESET password_encryption;
CREATE ROLE clear LOGIN PASSWORD 'right';
CREATE ROLE read_only LOGIN; ALTER ROLE read_only SET default_transaction_read_only = on;
";

/// The password of the roles that have one, but for `scram`.
pub const PASSWORD: &str = "right";

/// The password of `scram`.
pub const SCRAM_PASSWORD: &str = r"right: \ 'scram'";

/// A running server.
#[derive(Debug)]
pub struct NetworkServer {
    directory: TempDir,
    port: u16,
    shell: Child,
}

impl NetworkServer {
    /// As [`Self::start`], for a test that switches TLS on. `None`, and the test is reported as not run: the PostgreSQL
    /// here was built without it.
    pub fn for_tls(test: &str) -> Option<Self> {
        let server = Self::start();
        if !server.has_tls() {
            not_run(test, "this PostgreSQL was built without TLS");
            return None;
        }
        Some(server)
    }

    /// A new, empty server on a free port of 127.0.0.1, with TLS switched off.
    pub fn start() -> Self {
        let directory = directory();
        let data = directory.path().join("data");
        let mut initdb = as_server(Command::new(programs().program("initdb")), directory.path());
        initdb
            .args(["--no-sync", "-A", "reject", "-E", "UTF8", "--no-locale", "-U", SUPERUSER, "-D"])
            .arg(&data);
        run(&mut initdb);
        let tls = !setting(&data, directory.path(), "ssl_library").is_empty();
        fs::write(data.join("pg_hba.conf"), logins(tls)).unwrap();
        let server = Self::launch(directory);
        server.psql(ROLES);
        server
    }

    /// A hot standby of this server.
    pub fn standby(&self) -> Self {
        let directory = directory();
        let mut backup = as_server(Command::new(programs().program("pg_basebackup")), directory.path());
        let replicating = format!("{}\nlocal replication postgres trust\n", logins(self.has_tls()));
        fs::write(self.data().join("pg_hba.conf"), replicating).unwrap();
        self.psql("SELECT pg_reload_conf()");
        backup
            .args(["--no-sync", "-R", "-X", "stream", "-c", "fast", "-U", SUPERUSER, "-h"])
            .arg(self.socket_dir());
        backup.arg("-p").arg(self.port.to_string()).arg("-D").arg(directory.path().join("data"));
        run(&mut backup);
        Self::launch(directory)
    }

    fn launch(directory: TempDir) -> Self {
        // Somebody else could take the port in between; the server would then say so.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let script = "\"$@\" & server=$!; read -r _; kill -INT $server; wait $server";
        let mut shell = as_server(Command::new("/bin/sh"), directory.path());
        shell.args(["-c", script, "sh"]).arg(programs().program("postgres"));
        shell.arg("-D").arg(directory.path().join("data")).arg("-k").arg(directory.path());
        for setting in [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={port}"),
            "fsync=off".to_owned(),
            "max_connections=40".to_owned(),
            "shared_buffers=16MB".to_owned(),
            // A write-ahead log stream must not hold up the end.
            "wal_sender_timeout=2s".to_owned(),
        ] {
            shell.arg("-c").arg(setting);
        }
        let log = fs::File::create(directory.path().join("log")).unwrap();
        shell.stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log);
        let shell = shell.spawn().unwrap();
        let mut server = Self { directory, port, shell };
        server.wait_until_ready();
        server
    }

    fn wait_until_ready(&mut self) {
        for _ in 0..2_400 {
            let state = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
            if state.lines().nth(7).is_some_and(|state| state.trim() == "ready") {
                return;
            }
            if self.shell.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("no server:\n{}", fs::read_to_string(self.directory.path().join("log")).unwrap_or_default());
    }

    /// Whether this PostgreSQL was built with TLS.
    pub fn has_tls(&self) -> bool {
        !self.psql("SHOW ssl_library").is_empty()
    }

    /// The TCP port, which is the socket's number too.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where its socket is.
    pub fn socket_dir(&self) -> &Path {
        self.directory.path()
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Runs statements as the superuser; answers with the last value.
    pub fn psql(&self, sql: &str) -> String {
        let mut psql = Command::new(programs().program("psql"));
        psql.env_clear().args(["-XqAtv", "ON_ERROR_STOP=1", "-U", SUPERUSER, "-d", SUPERUSER, "-h"]);
        psql.arg(self.socket_dir()).arg("-p").arg(self.port.to_string()).args(["-c", sql]);
        run(&mut psql).trim_end().to_owned()
    }

    /// Switches TLS on with this certificate chain and key, and this authority for clients' certificates; all PEM.
    pub fn use_certificate(&self, chain: &str, key: &str, client_authority: &str) {
        // Each time other files, so that it can be seen when the server has read them.
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = |role: &str| self.directory.path().join(format!("tls-{number}.{role}"));
        for (role, text) in [("crt", chain), ("key", key), ("ca", client_authority)] {
            let file = path(role);
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
            give_to_server(&file);
        }
        let set = |name: &str, role: &str| {
            self.psql(&format!("ALTER SYSTEM SET {name} = '{}'", path(role).display()))
        };
        set("ssl_cert_file", "crt");
        set("ssl_key_file", "key");
        set("ssl_ca_file", "ca");
        self.psql("ALTER SYSTEM SET ssl = on");
        self.reload("ssl_cert_file", &path("crt").display().to_string());
    }

    fn reload(&self, setting: &str, value: &str) {
        self.psql("SELECT pg_reload_conf()");
        for _ in 0..6_000 {
            if self.psql(&format!("SHOW {setting}")) == value {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the server has not taken {setting} = {value}");
    }
}

impl Drop for NetworkServer {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// `pg_hba.conf`. A server without TLS starts with no line that asks for it.
fn logins(tls: bool) -> String {
    LOGINS.lines().filter(|line| tls || !line.starts_with("hostssl ")).fold(
        String::new(),
        |mut lines, line| {
            lines.push_str(line);
            lines.push('\n');
            lines
        },
    )
}

/// A refusal in the words that servers have since PostgreSQL 14, for snapshots.
pub fn newest_words(refusal: &str) -> String {
    refusal.replace("\", SSL off", "\", no encryption")
}

/// A setting of a server that does not run.
fn setting(data: &Path, directory: &Path, name: &str) -> String {
    let mut postgres = as_server(Command::new(programs().program("postgres")), directory);
    run(postgres.arg("-C").arg(name).arg("-D").arg(data)).trim().to_owned()
}

/// A directory that the server can get into and use.
fn directory() -> TempDir {
    let directory = tempfile::Builder::new().prefix("oauthctl-net-").tempdir_in("/tmp").unwrap();
    give_to_server(directory.path());
    directory
}

/// Whom the server runs as where this is root, which PostgreSQL refuses.
fn account() -> Option<User> {
    Uid::effective()
        .is_root()
        .then(|| ["postgres", "nobody"].iter().find_map(|name| User::from_name(name).unwrap()).unwrap())
}

fn give_to_server(path: &Path) {
    if let Some(account) = account() {
        chown(path, Some(account.uid.as_raw()), Some(account.gid.as_raw())).unwrap();
    }
}

fn as_server(mut command: Command, directory: &Path) -> Command {
    command.env_clear().current_dir(directory).stdin(Stdio::null());
    if let Some(account) = account() {
        command.uid(account.uid.as_raw()).gid(account.gid.as_raw());
    }
    command
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {errors}");
    String::from_utf8(output.stdout).unwrap()
}
