//! A database per test, as a copy of a template. The templates are made from `tests/data/schema` when they are first
//! asked for, once per process.

use std::{
    collections::BTreeMap,
    fmt::Write,
    os::unix::ffi::OsStrExt,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use super::server::{block_on, server};

/// What a database begins with: the tables as Django's `migrate` leaves them for a version of DOT, without rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Template {
    /// No table at all.
    Empty,
    /// DOT 1.5.0.
    Dot150,
    /// DOT 2.4.0.
    Dot240,
    /// DOT 3.0.1.
    Dot301,
    /// DOT 3.3.0.
    Dot330,
    /// DOT 3.4.1.
    Dot341,
    /// DOT 3.4.1 with every swappable model swapped: `oauth_clients`, `myauth_accesstoken` and so on.
    Swapped341,
    /// DOT's main branch.
    Main,
}

impl Template {
    /// The ones that stand for a DOT version with its own table names, oldest first.
    pub const VERSIONS: [Self; 6] =
        [Self::Dot150, Self::Dot240, Self::Dot301, Self::Dot330, Self::Dot341, Self::Main];

    /// The captured `pg_dump --schema-only`.
    pub fn sql(self) -> &'static str {
        match self {
            Self::Empty => "",
            Self::Dot150 => include_str!("../../data/schema/dot-1.5.0.sql"),
            Self::Dot240 => include_str!("../../data/schema/dot-2.4.0.sql"),
            Self::Dot301 => include_str!("../../data/schema/dot-3.0.1.sql"),
            Self::Dot330 => include_str!("../../data/schema/dot-3.3.0.sql"),
            Self::Dot341 => include_str!("../../data/schema/dot-3.4.1.sql"),
            Self::Swapped341 => include_str!("../../data/schema/dot-3.4.1-swapped.sql"),
            Self::Main => include_str!("../../data/schema/dot-main-0f9d49f4.sql"),
        }
    }

    /// The database that others are copied from.
    fn database(self) -> String {
        static MADE: Mutex<BTreeMap<Template, String>> = Mutex::new(BTreeMap::new());
        let mut made = MADE.lock().unwrap();
        made.entry(self)
            .or_insert_with(|| {
                let name = format!("template_{}", format!("{self:?}").to_lowercase());
                admin(format!("CREATE DATABASE {name}"));
                // psql's own commands are not SQL.
                let sql: String = self
                    .sql()
                    .lines()
                    .filter(|line| !line.starts_with('\\'))
                    .flat_map(|line| [line, "\n"])
                    .collect();
                on(&name, move |client| async move {
                    client.batch_execute(&sql).await.expect("the schema loads");
                });
                name
            })
            .clone()
    }
}

/// A database of a test's own. Dropped with it.
#[derive(Debug)]
pub struct Database {
    name: String,
}

impl Database {
    /// A copy of the template.
    pub fn create(template: Template) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let template = template.database();
        let name = format!("test_{:05}", NUMBER.fetch_add(1, Ordering::Relaxed));
        admin(format!("CREATE DATABASE {name} TEMPLATE {template}"));
        Self { name }
    }

    /// Its name: differs from run to run, and is `[database]` in an [`Output`](super::Output).
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How to connect to it, for code that brings its own client.
    pub fn config(&self) -> Config {
        config(&self.name)
    }

    /// A URL that names it, without anything of the environment.
    pub fn url(&self) -> String {
        let mut host = String::new();
        for byte in server().socket_dir().as_os_str().as_bytes() {
            let _ = write!(host, "%{byte:02X}");
        }
        format!("postgresql://{}@{host}:{}/{}", server().user(), server().port(), self.name)
    }

    /// What libpq would need in its environment to find it.
    pub fn variables(&self) -> [(&'static str, String); 4] {
        [
            ("PGHOST", server().socket_dir().to_str().expect("a UTF-8 path").to_owned()),
            ("PGPORT", server().port().to_string()),
            ("PGUSER", server().user().to_owned()),
            ("PGDATABASE", self.name.clone()),
        ]
    }

    /// A client of its own for the test, driven by the runtime that calls this.
    pub async fn connect(&self) -> Client {
        let (client, connection) = self.config().connect(NoTls).await.expect("a connection");
        tokio::spawn(connection);
        client
    }

    /// Runs statements, separated by semicolons.
    pub fn execute(&self, sql: impl Into<String>) {
        let sql = sql.into();
        on(&self.name, move |client| async move {
            if let Err(error) = client.batch_execute(&sql).await {
                panic!("{sql}\nfailed: {error:?}");
            }
        });
    }

    /// The rows of a query, as `psql` would print their values. NULL is `None`.
    pub fn rows(&self, sql: impl Into<String>) -> Vec<Vec<Option<String>>> {
        let sql = sql.into();
        on(&self.name, move |client| async move {
            let messages =
                client.simple_query(&sql).await.unwrap_or_else(|error| panic!("{sql}\nfailed: {error:?}"));
            messages
                .into_iter()
                .filter_map(|message| match message {
                    SimpleQueryMessage::Row(row) => {
                        Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect())
                    }
                    _ => None,
                })
                .collect()
        })
    }

    /// The rows of a query as lines: values separated by ` | `, NULL as `∅`. For snapshots.
    pub fn table(&self, sql: impl Into<String>) -> String {
        let line = |row: Vec<Option<String>>| {
            row.into_iter().map(|value| value.unwrap_or_else(|| "∅".into())).collect::<Vec<_>>().join(" | ")
        };
        self.rows(sql).into_iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// The only value of the only row of a query, which is not NULL.
    pub fn value(&self, sql: impl Into<String>) -> String {
        let rows = self.rows(sql);
        match rows.as_slice() {
            [row] if row.len() == 1 => row[0].clone().expect("a value, not NULL"),
            other => panic!("expected one value, found {other:?}"),
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // Also where a test under panic has left connections open.
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        on("postgres", move |client| async move {
            let _ = client.batch_execute(&sql).await;
        });
    }
}

fn config(database: &str) -> Config {
    let server = server();
    let mut config = Config::new();
    config.host_path(server.socket_dir()).port(server.port()).user(server.user()).dbname(database);
    config
}

fn admin(sql: String) {
    on("postgres", move |client| async move {
        client.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{sql}\nfailed: {error:?}"));
    });
}

/// Does something with a short-lived connection, and waits until that is closed: a template may have none.
fn on<T, F>(database: &str, work: impl FnOnce(Client) -> F + Send + 'static) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let config = config(database);
    block_on(async move {
        let (client, connection) = config.connect(NoTls).await.expect("a connection");
        let connection = tokio::spawn(connection);
        let answer = work(client).await;
        let _ = connection.await;
        answer
    })
}

#[test]
fn every_template_loads_and_every_database_is_a_copy_of_its_own() {
    for template in Template::VERSIONS {
        let (one, other) = (Database::create(template), Database::create(template));
        one.execute("INSERT INTO auth_user OVERRIDING SYSTEM VALUE SELECT 1, 'x', NULL, false, 'ops', '', '', '', false, true, now()");
        assert_eq!(one.table("SELECT id, username, last_login FROM auth_user"), "1 | ops | ∅");
        assert_eq!(other.value("SELECT count(*) FROM auth_user"), "0");
    }
    let swapped = Database::create(Template::Swapped341);
    assert_eq!(swapped.value("SELECT count(*) FROM oauth_clients"), "0");
    let empty = Database::create(Template::Empty);
    assert_eq!(
        empty.value("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"),
        "0"
    );
}

#[tokio::test]
async fn the_helpers_work_inside_a_runtime_too() {
    let database = Database::create(Template::Dot341);
    let client = database.connect().await;
    let row = client.query_one("SELECT current_database()::text", &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), database.value("SELECT current_database()"));
    let (through_url, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    assert_eq!(through_url.execute("SELECT 1", &[]).await.unwrap(), 1);
}
