//! Token graphs before they are rows: made from a seed or from a fixture, written into any schema.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use md5::Digest as _;
use oauthctl::model::{CleanupPolicy, TableNames, TableRole};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::graph::{OTHERS, names, users};
use crate::support::{Database, Template};

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

/// Number, access token, revocation, application.
pub type RefreshRow = (usize, Option<usize>, Option<OffsetDateTime>, usize);

/// Number, source refresh token, ID token, expiry, application.
pub type AccessRow = (usize, Option<usize>, Option<usize>, OffsetDateTime, Option<usize>);

/// Rows of a graph before they have keys of a schema's own.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    pub refresh: Vec<RefreshRow>,
    pub access: Vec<AccessRow>,
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
            .iter()
            .copied()
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
pub struct Schema {
    names: TableNames,
    /// By table: column, type, whether a value is needed.
    columns: BTreeMap<String, Vec<(String, String, bool)>>,
    user_table: &'static str,
}

impl Schema {
    /// Read once per template.
    pub fn of(database: &Database, template: Template) -> Arc<Self> {
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

    pub fn table(&self, role: TableRole) -> &str {
        self.names.name(role)
    }

    pub fn has(&self, role: TableRole) -> bool {
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
