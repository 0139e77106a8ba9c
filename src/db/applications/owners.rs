//! How a statement finds the owners of applications: the user table is the project's own, and not every role may read it.

use tokio_postgres::GenericClient;
use tokio_postgres::types::Type;

use crate::db::error::DbError;
use crate::db::layout::{Layout, Table};
use crate::model::printable::printable;
use crate::model::{Named, Nameless};

/// What of the user table may be read.
pub(super) struct OwnerSql {
    pub join: String,
    pub exists: String,
    pub name: String,
    /// Where the name is.
    pub column: Option<&'static str>,
    pub unique: String,
}

/// The column that has the users' names; else why owners have none.
enum Names {
    Column(&'static str),
    None { why: Nameless, joined: bool },
}

async fn names(client: &impl GenericClient, users: &Table) -> Result<Names, DbError> {
    let column = [Named::USERNAME, Named::EMAIL].into_iter().find(|column| users.has(column));
    let key = users.key.as_str();
    let sql = "SELECT pg_catalog.has_column_privilege($1::oid, $2, 'SELECT'), \
                      pg_catalog.has_column_privilege($1::oid, $3, 'SELECT'), pg_catalog.quote_ident(current_user)";
    let named = column.unwrap_or(key);
    let row = client
        .query_typed_one(sql, &[(&users.oid, Type::OID), (&key, Type::TEXT), (&named, Type::TEXT)])
        .await
        .map_err(DbError::during("looking at the privileges"))?;
    let (may_join, may_name): (bool, bool) = (row.get(0), row.get(1));
    Ok(match column {
        Some(column) if may_join && may_name => Names::Column(column),
        None if may_join => {
            Names::None { why: Nameless::NoColumn { table: users.qualified_name() }, joined: true }
        }
        _ => {
            let columns =
                if named == key { users.key_sql() } else { format!("{}, {named}", users.key_sql()) };
            let grant = format!("GRANT SELECT ({columns}) ON {} TO {};", users.sql(), row.get::<_, &str>(2));
            let why = Nameless::NoRight { table: users.qualified_name(), grant: printable(&grant) };
            Names::None { why, joined: may_join }
        }
    })
}

/// Why owners have no names here; `None`: they have.
pub async fn nameless(client: &impl GenericClient, layout: &Layout) -> Result<Option<Nameless>, DbError> {
    let Some(users) = &layout.users else { return Ok(None) };
    Ok(match names(client, users).await? {
        Names::Column(_) => None,
        Names::None { why, joined: _ } => Some(why),
    })
}

impl OwnerSql {
    pub(super) async fn of(client: &impl GenericClient, layout: &Layout) -> Result<Self, DbError> {
        let mut owner = Self {
            join: String::new(),
            exists: "false".to_owned(),
            name: "NULL::text".to_owned(),
            column: None,
            unique: "false".to_owned(),
        };
        let Some(users) = &layout.users else { return Ok(owner) };
        let (table, key) = (users.sql(), users.key_sql());
        let (joined, column) = match names(client, users).await? {
            Names::Column(column) => (true, Some(column)),
            Names::None { why: _, joined } => (joined, None),
        };
        // Where it may not be looked up, the foreign key says that there is such a user.
        owner.exists = if joined { format!("u.{key} IS NOT NULL") } else { "true".to_owned() };
        if joined {
            owner.join = format!("LEFT JOIN {table} u ON u.{key} = t.user_id");
        }
        if let Some(column) = column {
            owner.column = Some(column);
            owner.name = format!("u.{column}::text");
            owner.unique = format!(
                "NOT EXISTS (SELECT FROM {table} v WHERE v.{column}::text = u.{column}::text AND v.{key} <> u.{key})"
            );
        }
        Ok(owner)
    }
}
