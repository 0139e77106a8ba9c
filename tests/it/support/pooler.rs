//! PgBouncer or Pgpool-II between a test and a server, and other clients of it.
//!
//! It ends with the value, and with the test process however that ends: its parent is a shell that waits for the end of
//! its standard input.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::NoTls;

use super::database::{Database, Home};
use super::instance::account;
use super::server::block_on;
use super::{PATIENCE, Sandbox};

const PORT: u16 = 6432;

/// Stops the pooler when nobody holds the other end of the pipe any more.
const PARENT: &str = "\"$@\" </dev/null & pid=$!; read -r _; kill -TERM $pid 2>/dev/null; wait $pid";

/// A running pooler.
#[derive(Debug)]
pub struct Pooler {
    directory: TempDir,
    user: &'static str,
    parent: Child,
}

impl Pooler {
    /// PgBouncer in front of the server of a database, with this number of connections to it. It uses its connections in
    /// turns, so that two transactions of one client seldom meet the same.
    pub fn bouncer(home: &Home, mode: &str, size: u32) -> Self {
        let directory = directory();
        let settings = directory.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n\
             * = host={server} port={port} user={user}\n\
             [pgbouncer]\n\
             unix_socket_dir = {here}\n\
             listen_port = {PORT}\n\
             auth_type = any\n\
             pool_mode = {mode}\n\
             default_pool_size = {size}\n\
             server_round_robin = 1\n\
             query_wait_timeout = 20\n",
            server = home.socket_dir.display(),
            port = home.port,
            user = home.user,
            here = directory.path().display(),
        );
        fs::write(&settings, text).unwrap();
        let arguments = ["-q".into(), settings.into_os_string()];
        Self::run(directory, home.user, &program(), &arguments)
    }

    /// Pgpool-II in front of a primary and a standby; every statement that it takes for a harmless read goes to the standby.
    /// `None` where there is no package of it.
    pub fn pgpool(primary: &Home, standby: &Home) -> Option<Self> {
        let program = Path::new("/usr/sbin/pgpool");
        if !program.exists() {
            return None;
        }
        let directory = directory();
        let (settings, users) = (directory.path().join("pgpool.conf"), directory.path().join("pcp.conf"));
        let text = format!(
            "backend_clustering_mode = 'streaming_replication'\n\
             listen_addresses = ''\n\
             port = {PORT}\n\
             socket_dir = '{here}'\n\
             pcp_listen_addresses = ''\n\
             pcp_socket_dir = '{here}'\n\
             pid_file_name = '{here}/pid'\n\
             logdir = '{here}'\n\
             pool_passwd = ''\n\
             num_init_children = 6\n\
             sr_check_user = '{user}'\n\
             load_balance_mode = on\n\
             backend_hostname0 = '{primary}'\n\
             backend_port0 = {port}\n\
             backend_weight0 = 0\n\
             backend_flag0 = 'ALWAYS_PRIMARY|DISALLOW_TO_FAILOVER'\n\
             backend_hostname1 = '{standby}'\n\
             backend_port1 = {port}\n\
             backend_weight1 = 1\n\
             backend_flag1 = 'DISALLOW_TO_FAILOVER'\n",
            here = directory.path().display(),
            user = primary.user,
            primary = primary.socket_dir.display(),
            standby = standby.socket_dir.display(),
            port = primary.port,
        );
        fs::write(&settings, text).unwrap();
        fs::write(&users, "").unwrap();
        let arguments =
            ["-n".into(), "-f".into(), settings.into_os_string(), "-F".into(), users.into_os_string()];
        Some(Self::run(directory, primary.user, program, &arguments))
    }

    fn run(directory: TempDir, user: &'static str, program: &Path, arguments: &[OsString]) -> Self {
        let log = fs::File::create(directory.path().join("log")).unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", PARENT, "pooler"]).arg(program).args(arguments);
        if let Some(account) = account() {
            chown(directory.path(), Some(account.uid.as_raw()), Some(account.gid.as_raw())).unwrap();
            command.uid(account.uid.as_raw()).gid(account.gid.as_raw());
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log);
        let parent = command.spawn().unwrap();
        let pooler = Self { directory, user, parent };
        pooler.wait_until_ready();
        pooler
    }

    fn wait_until_ready(&self) {
        let start = Instant::now();
        while UnixStream::connect(self.directory.path().join(format!(".s.PGSQL.{PORT}"))).is_err() {
            let log = || fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            assert!(start.elapsed() < PATIENCE, "the pooler does not start:\n{}", log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The way through the pooler.
    pub fn home(&self) -> Home {
        Home { socket_dir: self.directory.path().to_owned(), port: PORT, user: self.user }
    }

    /// A directory in which `oauthctl` goes through the pooler.
    pub fn sandbox(&self, database: &Database) -> Sandbox {
        let mut sandbox = Sandbox::with(database);
        sandbox.set("PGHOST", self.directory.path());
        sandbox.set("PGPORT", PORT.to_string());
        sandbox
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.parent.stdin.take());
        let _ = self.parent.wait();
    }
}

fn directory() -> TempDir {
    tempfile::Builder::new().prefix("oauthctl-pool-").tempdir_in("/tmp").unwrap()
}

/// Debian's is where only root looks.
fn program() -> PathBuf {
    ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer", "/opt/homebrew/bin/pgbouncer"]
        .into_iter()
        .map(PathBuf::from)
        .find(|path| Path::new(path).exists())
        .unwrap_or_else(|| panic!("the tests need PgBouncer. Install it with `sh tests/setup pgbouncer`."))
}

/// Other clients of the pooler, at work until this is dropped.
#[derive(Debug)]
pub struct Traffic {
    end: Arc<AtomicBool>,
    clients: Vec<thread::JoinHandle<()>>,
}

impl Traffic {
    /// Two clients in short transactions. Each leaves prepared statements behind, of the names that drivers give.
    pub fn start(pooler: &Pooler, database: &Database) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let clients = (0..2)
            .map(|_| {
                let (end, config) = (Arc::clone(&end), pooler.home().config(database.name()));
                thread::spawn(move || block_on(work(config, end)))
            })
            .collect();
        Self { end, clients }
    }
}

async fn work(config: tokio_postgres::Config, end: Arc<AtomicBool>) {
    let (client, connection) = config.connect(NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let names: Vec<String> = (0..40).map(|n| format!("PREPARE s{n} AS SELECT 'another client''s'")).collect();
    while !end.load(Ordering::Relaxed) {
        client.batch_execute("BEGIN").await.unwrap();
        // Fails where the names are there already.
        let _ = client.batch_execute(&names.join("; ")).await;
        client.batch_execute("ROLLBACK").await.unwrap();
        client.batch_execute("BEGIN; SELECT pg_sleep(0.001); COMMIT").await.unwrap();
    }
    drop(client);
    let _ = connection.await;
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            let _ = client.join();
        }
    }
}
