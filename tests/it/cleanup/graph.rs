//! Token graphs: made from a seed or from a fixture, written into any schema, read back, and cleaned by the book.
//!
//! [`Graph::cleared`] is DOT 3.4.1's `clear_expired()` on values, step by step in DOT's own order (dot reference: the
//! steps A to G): what the tests compare a database with. It shares nothing with the code under test.
//! Over 400 lines, because making, writing, reading and clearing are about one set of columns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use md5::Digest as _;
use oauthctl::model::{Category, CleanupPolicy, TableNames, TableRole};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::support::{Database, Template};

/// A refresh token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refresh {
    pub access: Option<String>,
    pub revoked: Option<OffsetDateTime>,
    pub application: String,
    /// All other columns.
    pub rest: String,
}

/// An access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    pub source: Option<String>,
    pub id_token: Option<String>,
    pub expires: OffsetDateTime,
    pub application: Option<String>,
    pub rest: String,
}

/// Anything else that expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    pub expires: OffsetDateTime,
    /// Its key, or its client id in the tables that have that.
    pub application: Option<String>,
    pub rest: String,
}

/// All rows of a database, by primary key as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    pub refresh: BTreeMap<String, Refresh>,
    pub access: BTreeMap<String, Access>,
    pub others: BTreeMap<TableRole, BTreeMap<String, Other>>,
}

/// The tables that are neither refresh nor access tokens.
pub const OTHERS: [TableRole; 4] =
    [TableRole::IdToken, TableRole::Grant, TableRole::ParRequest, TableRole::DeviceGrant];

/// The names of a template's tables.
pub fn names(template: Template) -> TableNames {
    let mut names = TableNames::default();
    if template == Template::Swapped341 {
        names.swapped = [
            (TableRole::Application, "oauth_clients"),
            (TableRole::AccessToken, "myauth_accesstoken"),
            (TableRole::RefreshToken, "myauth_refreshtoken"),
            (TableRole::IdToken, "myauth_idtoken"),
        ]
        .map(|(role, name)| (role, name.to_owned()))
        .into();
    }
    names
}

/// The table of `AUTH_USER_MODEL`.
pub fn users(template: Template) -> &'static str {
    if template == Template::Swapped341 { "myauth_user" } else { "auth_user" }
}

/// A generator of numbers that are the same for the same seed, on every machine and for ever.
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Sebastiano Vigna's `splitmix64`.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn shuffled(&mut self, count: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (1..=count).collect();
        for last in (1..count).rev() {
            let other = self.below(last + 1);
            all.swap(last, other);
        }
        all
    }
}

/// A row to write: SQL expressions by column.
type Row = BTreeMap<&'static str, String>;

/// An access token: its number, its source refresh token, its ID token, when it expires, its application.
type DraftAccess = (usize, Option<usize>, Option<usize>, OffsetDateTime, Option<usize>);

/// Rows of a graph before they have keys of a schema's own.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    pub refresh: Vec<(usize, Option<usize>, Option<OffsetDateTime>, usize)>,
    pub access: Vec<DraftAccess>,
    pub others: BTreeMap<TableRole, Vec<(usize, OffsetDateTime, Option<usize>)>>,
}

/// How many applications [`Draft`]s refer to.
pub const APPLICATIONS: usize = 3;

impl Draft {
    /// A random graph: every pointer that the foreign keys allow, sensible or not, and instants at the cutoffs to the
    /// microsecond.
    pub fn random(seed: u64, size: usize, policy: &CleanupPolicy, now: OffsetDateTime) -> Self {
        let mut numbers = Numbers::new(seed);
        let cutoffs = [
            Duration::ZERO,
            policy.refresh_token_expire.map_or(Duration::HOUR, |age| age.try_into().unwrap()),
            policy.refresh_token_grace_period.try_into().unwrap(),
        ];
        let instant = |numbers: &mut Numbers| {
            let nudge = numbers.pick(&[-3_600_000_000, -1_000, -1, -1, 0, 0, 1, 1, 1_000, 3_600_000_000]);
            now - numbers.pick(&cutoffs) + Duration::microseconds(nudge)
        };
        let count = |numbers: &mut Numbers| numbers.below(size + 1);
        let (refresh, access, id) = (count(&mut numbers), count(&mut numbers), count(&mut numbers));
        let mut draft = Self::default();
        // One-to-one pointers: the nth row points at the nth of a shuffled list, or at nothing.
        let (of_refresh, of_source, of_id) =
            (numbers.shuffled(access), numbers.shuffled(refresh), numbers.shuffled(id));
        let pointer = |numbers: &mut Numbers, targets: &[usize], row: usize| {
            targets.get(row - 1).copied().filter(|_| numbers.below(5) > 0)
        };
        for row in 1..=refresh {
            let revoked = (numbers.below(2) == 0).then(|| instant(&mut numbers));
            let access = pointer(&mut numbers, &of_refresh, row);
            draft.refresh.push((row, access, revoked, 1 + numbers.below(APPLICATIONS)));
        }
        for row in 1..=access {
            let (source, id) = (pointer(&mut numbers, &of_source, row), pointer(&mut numbers, &of_id, row));
            let application = (numbers.below(8) > 0).then(|| 1 + numbers.below(APPLICATIONS));
            draft.access.push((row, source, id, instant(&mut numbers), application));
        }
        for role in OTHERS {
            let rows = if role == TableRole::IdToken { id } else { count(&mut numbers) / 2 };
            let rows = (1..=rows)
                .map(|row| (row, instant(&mut numbers), Some(1 + numbers.below(APPLICATIONS))))
                .collect();
            draft.others.insert(role, rows);
        }
        draft
    }

    /// Writes the rows in the place of all that is there. Tables that the schema lacks are left out.
    pub fn insert(&self, database: &Database, template: Template) {
        let schema = Schema::of(database, template);
        let key = |role: TableRole, number: usize| schema.key(role, number);
        let optional = |role: TableRole, number: Option<usize>| {
            number.map_or_else(|| "NULL".to_owned(), |number| schema.key(role, number))
        };
        let tables: Vec<&str> = TableRole::ALL
            .into_iter()
            .filter(|role| schema.has(*role))
            .map(|role| schema.table(role))
            .chain([users(template)])
            .collect();
        let mut sql = format!("BEGIN; TRUNCATE {} CASCADE;", tables.join(", "));
        if template == Template::Swapped341 {
            // What the swapped application's own column refers to.
            sql += "INSERT INTO auth_group VALUES (5, 'tenant') ON CONFLICT DO NOTHING;";
        }
        sql += &schema.insert(users(template), 1, &Row::from([("id", schema.user_key())]));
        for number in 1..=APPLICATIONS {
            let row = Row::from([
                ("id", key(TableRole::Application, number)),
                ("client_id", format!("'client-{number}'")),
                ("algorithm", "''".to_owned()),
            ]);
            sql += &schema.insert(schema.table(TableRole::Application), number, &row);
        }
        for (number, expires, application) in self.others.get(&TableRole::IdToken).into_iter().flatten() {
            let row = Row::from([
                ("id", key(TableRole::IdToken, *number)),
                ("expires", literal(*expires)),
                ("application_id", optional(TableRole::Application, *application)),
            ]);
            sql += &schema.insert(schema.table(TableRole::IdToken), *number, &row);
        }
        for (number, source, id_token, expires, application) in &self.access {
            let row = Row::from([
                ("id", key(TableRole::AccessToken, *number)),
                ("expires", literal(*expires)),
                ("source_refresh_token_id", optional(TableRole::RefreshToken, *source)),
                ("id_token_id", optional(TableRole::IdToken, *id_token)),
                ("application_id", optional(TableRole::Application, *application)),
            ]);
            sql += &schema.insert(schema.table(TableRole::AccessToken), *number, &row);
        }
        for (number, access, revoked, application) in &self.refresh {
            let row = Row::from([
                ("id", key(TableRole::RefreshToken, *number)),
                ("access_token_id", optional(TableRole::AccessToken, *access)),
                ("revoked", revoked.map_or_else(|| "NULL".to_owned(), literal)),
                ("application_id", key(TableRole::Application, *application)),
                ("user_id", schema.user_key()),
            ]);
            sql += &schema.insert(schema.table(TableRole::RefreshToken), *number, &row);
        }
        for role in [TableRole::Grant, TableRole::ParRequest, TableRole::DeviceGrant] {
            if !schema.has(role) {
                continue;
            }
            for (number, expires, application) in self.others.get(&role).into_iter().flatten() {
                let application = application.unwrap_or(1);
                let mut row = Row::from([("id", key(role, *number)), ("expires", literal(*expires))]);
                if role == TableRole::Grant {
                    row.insert("application_id", key(TableRole::Application, application));
                    row.insert("user_id", schema.user_key());
                } else {
                    row.insert("client_id", format!("'client-{application}'"));
                }
                sql += &schema.insert(schema.table(role), *number, &row);
            }
        }
        sql += "COMMIT; ANALYZE;";
        database.execute(sql);
    }
}

/// The key of the nth application.
pub fn application_key(template: Template, number: usize) -> String {
    if template == Template::Swapped341 { uuid(number) } else { number.to_string() }
}

/// The nth UUID key: `md5('n')`, so that the order of keys is not that of insertion.
pub fn uuid(number: usize) -> String {
    let digest = md5::Md5::digest(number.to_string());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

fn literal(instant: OffsetDateTime) -> String {
    format!("'{}'", instant.format(&Rfc3339).unwrap())
}

/// The columns of the tables at hand, to fill those that nobody cares for.
struct Schema {
    names: TableNames,
    /// By table: column, type, whether a value is needed.
    columns: BTreeMap<String, Vec<(String, String, bool)>>,
    user_table: &'static str,
}

impl Schema {
    /// Read once per template.
    fn of(database: &Database, template: Template) -> Arc<Self> {
        static KNOWN: Mutex<BTreeMap<Template, Arc<Schema>>> = Mutex::new(BTreeMap::new());
        let mut known = KNOWN.lock().unwrap();
        known.entry(template).or_insert_with(|| Arc::new(Self::read(database, template))).clone()
    }

    fn read(database: &Database, template: Template) -> Self {
        let mut columns: BTreeMap<String, Vec<(String, String, bool)>> = BTreeMap::new();
        let rows = database.rows(
            "SELECT table_name, column_name, data_type, \
                    (is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO')::text \
             FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, ordinal_position",
        );
        for row in rows {
            let [table, column, kind, needed] = row.try_into().unwrap();
            let column = (column.unwrap(), kind.unwrap(), needed.as_deref() == Some("true"));
            columns.entry(table.unwrap()).or_default().push(column);
        }
        Self { names: names(template), columns, user_table: users(template) }
    }

    fn table(&self, role: TableRole) -> &str {
        self.names.name(role)
    }

    fn has(&self, role: TableRole) -> bool {
        self.columns.contains_key(self.table(role))
    }

    fn key(&self, role: TableRole, number: usize) -> String {
        self.key_of(self.table(role), number)
    }

    fn user_key(&self) -> String {
        self.key_of(self.user_table, 1)
    }

    fn key_of(&self, table: &str, number: usize) -> String {
        let random = self.columns[table].iter().any(|(name, kind, _)| name == "id" && kind == "uuid");
        if random { format!("'{}'", uuid(number)) } else { number.to_string() }
    }

    fn insert(&self, table: &str, number: usize, given: &Row) -> String {
        let (mut columns, mut values) = (Vec::new(), Vec::new());
        for (name, kind, needed) in &self.columns[table] {
            let value = match given.get(name.as_str()) {
                Some(value) => value.clone(),
                None if *needed => filler(name, kind, number, &self.user_key()),
                None => continue,
            };
            columns.push(format!("\"{name}\""));
            values.push(value);
        }
        format!("INSERT INTO {table} ({}) VALUES ({});\n", columns.join(", "), values.join(", "))
    }
}

/// Something that fits: unique where it is text, the same otherwise.
fn filler(name: &str, kind: &str, number: usize, user: &str) -> String {
    match (name, kind) {
        ("user_id", _) => user.to_owned(),
        (_, "character varying" | "text") => format!("'x{number}'"),
        (_, "timestamp with time zone") => "'2025-01-01 00:00:00Z'".to_owned(),
        (_, "boolean") => "false".to_owned(),
        (_, "jsonb") => "'[]'".to_owned(),
        (_, "uuid") => format!("md5('{name}{number}')::uuid"),
        (_, "integer" | "bigint") => "5".to_owned(),
        _ => panic!("no value for column {name} of type {kind}"),
    }
}

impl Graph {
    /// Reads all rows.
    pub fn read(database: &Database, template: Template) -> Self {
        let schema = Schema::of(database, template);
        let pointers = |role: TableRole| match role {
            TableRole::RefreshToken => ("access_token_id", "NULL", "revoked", "application_id"),
            TableRole::AccessToken => ("source_refresh_token_id", "id_token_id", "expires", "application_id"),
            TableRole::IdToken | TableRole::Grant => ("NULL", "NULL", "expires", "application_id"),
            _ => ("NULL", "NULL", "expires", "client_id"),
        };
        // One query: a snapshot, and one connection.
        let roles: Vec<TableRole> = TableRole::ALL
            .into_iter()
            .filter(|role| *role != TableRole::Application && schema.has(*role))
            .collect();
        let queries: Vec<String> = roles
            .iter()
            .enumerate()
            .map(|(position, role)| {
                let (one, other, instant, application) = pointers(*role);
                format!(
                    "SELECT {position}, t.id::text, (to_jsonb(t) - '{one}')::text, {one}::text, {other}::text, \
                     extract(epoch FROM {instant})::text, {application}::text FROM {} t",
                    schema.table(*role)
                )
            })
            .collect();
        let mut graph = Self::default();
        for role in OTHERS.into_iter().filter(|role| schema.has(*role)) {
            graph.others.insert(role, BTreeMap::new());
        }
        for row in database.rows(queries.join(" UNION ALL ")) {
            let [position, key, rest, one, other, at, application] = row.try_into().unwrap();
            let (key, rest) = (key.unwrap(), rest.unwrap());
            let at = at.map(|epoch| instant(&epoch));
            match roles[position.unwrap().parse::<usize>().unwrap()] {
                TableRole::RefreshToken => {
                    let application = application.unwrap();
                    let row = Refresh { access: one, revoked: at, application, rest };
                    graph.refresh.insert(key, row);
                }
                TableRole::AccessToken => {
                    let row =
                        Access { source: one, id_token: other, expires: at.unwrap(), application, rest };
                    graph.access.insert(key, row);
                }
                role => {
                    let row = Other { expires: at.unwrap(), application, rest };
                    graph.others.get_mut(&role).unwrap().insert(key, row);
                }
            }
        }
        graph
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.refresh.len() + self.access.len() + self.others.values().map(BTreeMap::len).sum::<usize>()
    }

    /// Panics unless this is a state between `before` and `after`: nothing gone that stays in the end, nothing changed
    /// but pointers, no pointer without a row.
    pub fn assert_between(&self, before: &Self, after: &Self) {
        self.assert_whole();
        for (key, row) in &self.refresh {
            assert_eq!(row, &before.refresh[key]);
        }
        for (key, row) in &self.access {
            let was = &before.access[key];
            let source = row.source.clone().or_else(|| was.source.clone());
            assert_eq!(&Access { source, ..row.clone() }, was, "access token {key}");
        }
        for (role, rows) in &self.others {
            for (key, row) in rows {
                assert_eq!(row, &before.others[role][key], "{role} {key}");
            }
        }
        assert!(after.refresh.keys().all(|key| self.refresh.contains_key(key)), "a refresh token is lost");
        assert!(after.access.keys().all(|key| self.access.contains_key(key)), "an access token is lost");
        for (role, rows) in &after.others {
            assert!(rows.keys().all(|key| self.others[role].contains_key(key)), "a {role} row is lost");
        }
        for (key, row) in &after.access {
            assert!(
                row.source.is_none() || row.source == self.access[key].source,
                "pointer of access token {key}"
            );
        }
    }

    /// Panics where a pointer has no row.
    pub fn assert_whole(&self) {
        for (key, row) in &self.refresh {
            assert!(
                row.access.iter().all(|access| self.access.contains_key(access)),
                "refresh token {key}: {row:?}"
            );
        }
        let ids = &self.others[&TableRole::IdToken];
        for (key, row) in &self.access {
            assert!(
                row.source.iter().all(|source| self.refresh.contains_key(source)),
                "access token {key}: {row:?}"
            );
            assert!(row.id_token.iter().all(|id| ids.contains_key(id)), "access token {key}: {row:?}");
        }
    }

    /// What DOT 3.4.1 leaves of it. `excluded`: keys and client ids of applications that are left alone.
    pub fn cleared(&self, policy: &CleanupPolicy, now: OffsetDateTime, excluded: &BTreeSet<String>) -> Self {
        let mut graph = self.clone();
        let on = |category: Category| {
            let chosen = if policy.only.is_empty() {
                category != Category::Device || policy.device_grants
            } else {
                policy.only.contains(&category)
            };
            chosen && !policy.skip.contains(&category)
        };
        let kept = |application: &Option<String>| {
            application.as_ref().is_some_and(|application| excluded.contains(application))
        };
        let lifetime = policy.refresh_token_expire.filter(|age| !age.is_zero());
        let revoked_by = if policy.refresh_token_reuse_protection {
            lifetime.map(|age| now - age)
        } else {
            Some(now - policy.refresh_token_grace_period)
        };
        if let Some(cutoff) = revoked_by.filter(|_| on(Category::Revoked)) {
            graph.delete_refresh(|row, _| {
                row.revoked.is_some_and(|revoked| revoked <= cutoff) && !kept(&Some(row.application.clone()))
            });
        }
        if on(Category::Orphaned) {
            graph.delete_refresh(|row, _| {
                row.revoked.is_none() && row.access.is_none() && !kept(&Some(row.application.clone()))
            });
        }
        if let Some(age) = lifetime.filter(|_| on(Category::Expired)) {
            graph.delete_refresh(|row, access| {
                row.revoked.is_none()
                    && row.access.as_ref().is_some_and(|key| access[key].expires <= now - age)
                    && !kept(&Some(row.application.clone()))
            });
        }
        if on(Category::Access) {
            let held: BTreeSet<String> =
                graph.refresh.values().filter_map(|row| row.access.clone()).collect();
            graph
                .access
                .retain(|key, row| row.expires >= now || held.contains(key) || kept(&row.application));
        }
        let held: BTreeSet<String> = graph.access.values().filter_map(|row| row.id_token.clone()).collect();
        for (category, role) in [
            (Category::Id, TableRole::IdToken),
            (Category::Grants, TableRole::Grant),
            (Category::Par, TableRole::ParRequest),
            (Category::Device, TableRole::DeviceGrant),
        ] {
            if let Some(rows) = graph.others.get_mut(&role).filter(|_| on(category)) {
                rows.retain(|key, row| {
                    row.expires >= now
                        || (role == TableRole::IdToken && held.contains(key))
                        || kept(&row.application)
                });
            }
        }
        graph
    }

    /// The ORM's deletion: pointers to the rows become NULL.
    fn delete_refresh(&mut self, doomed: impl Fn(&Refresh, &BTreeMap<String, Access>) -> bool) {
        let gone: BTreeSet<String> = self
            .refresh
            .iter()
            .filter(|(_, row)| doomed(row, &self.access))
            .map(|(key, _)| key.clone())
            .collect();
        self.refresh.retain(|key, _| !gone.contains(key));
        for row in self.access.values_mut() {
            row.source = row.source.take().filter(|source| !gone.contains(source));
        }
    }
}

fn instant(epoch: &str) -> OffsetDateTime {
    let (seconds, micros) = epoch.split_once('.').unwrap_or((epoch, "0"));
    let micros: i64 = format!("{micros:0<6}").parse().unwrap();
    OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds.parse().unwrap()) + Duration::microseconds(micros)
}
