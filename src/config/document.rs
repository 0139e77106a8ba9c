//! The file as it is written: one strict struct for each table.
//!
//! These structs are the only list of keys. The parser, the JSON Schema (`oauthctl schema`) and "did you mean" all
//! come from them. They say what may be written, not what it means; `resolve` does that. There are more than 400 lines,
//! because a list in two files would be two lists.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::choices::{Algorithm, AuthMethod, ClientType, GrantType};
use super::slot::{List, Slot};
use super::values::{
    Comparable, Confidential, Duration, Free, Ignored, Limit, Literal, OrTable, Rate, Size, UserKey,
    UserValue, Workers,
};
use crate::lint::Set;
use crate::model::{Category, CountMethod, FkChecks, Prune, ReferenceRule, Strategy, UriRules};

/// The OAuth applications and the token cleanup of a Django OAuth Toolkit database.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "oauth.toml")]
pub(super) struct Document {
    /// The versions of oauthctl that the file is for, as Cargo writes them. Others refuse it before they read any other key.
    #[schemars(example = &">=0.1")]
    pub required_version: Slot<String>,
    /// Where the database is. The libpq environment (PGHOST, …) and --database-url serve too.
    pub database: Slot<Database>,
    /// The server settings that validation depends on: Django's `OAUTH2_PROVIDER`.
    pub provider: Slot<Provider>,
    /// What applications have that say nothing else.
    pub defaults: Slot<Defaults>,
    /// The applications, by client id.
    pub applications: Blocks,
    /// Applications that must not exist.
    pub removed: List<Removed>,
    /// Applications that keep their row and get another client id.
    pub renamed: List<Renamed>,
    /// Programs that `apply --hooks` runs when it has changed applications.
    pub hooks: List<Hook>,
    /// What a plan may do.
    pub policy: Slot<Policy>,
    /// Token cleanup. Without this table, `plan` and `apply` clean nothing.
    pub cleanup: Slot<Cleanup>,
    /// Which advice is given on what DOT accepts.
    pub lint: Slot<Lint>,
}

/// A part of a file in which there are only applications.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Part {
    pub applications: Blocks,
}

/// Applications by the names of their tables.
pub(super) type Blocks = Slot<BTreeMap<String, Slot<Application>>>;

/// Where the database is.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Database {
    /// A libpq connection URL or key=value string, or where to read it from.
    pub url: Slot<OrTable<Confidential, Reference>>,
    /// The schema of Django's tables.
    #[schemars(length(min = 1), example = &"public")]
    pub schema: Slot<String>,
    /// The tables of swapped models.
    pub tables: Slot<Tables>,
}

/// The tables of swapped models, without schema and quotes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Tables {
    /// The table of `OAUTH2_PROVIDER_APPLICATION_MODEL`.
    #[schemars(length(min = 1))]
    pub application: Slot<String>,
    /// The table of `OAUTH2_PROVIDER_ACCESS_TOKEN_MODEL`.
    #[schemars(length(min = 1))]
    pub access_token: Slot<String>,
    /// The table of `OAUTH2_PROVIDER_REFRESH_TOKEN_MODEL`.
    #[schemars(length(min = 1))]
    pub refresh_token: Slot<String>,
    /// The table of `OAUTH2_PROVIDER_ID_TOKEN_MODEL`.
    #[schemars(length(min = 1))]
    pub id_token: Slot<String>,
    /// The table of `OAUTH2_PROVIDER_GRANT_MODEL`.
    #[schemars(length(min = 1))]
    pub grant: Slot<String>,
    /// The table of `OAUTH2_PROVIDER_DEVICE_GRANT_MODEL`.
    #[schemars(length(min = 1))]
    pub device_grant: Slot<String>,
    /// The table of `OAUTH2_PROVIDER_PAR_REQUEST_MODEL`.
    #[schemars(length(min = 1))]
    pub par_request: Slot<String>,
}

/// Where to read a confidential value from: an environment variable or a file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub(super) struct Reference {
    /// The name of an environment variable.
    #[schemars(regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$"), example = &"DATABASE_URL")]
    pub env: Slot<String>,
    /// The path of a file, relative to this one. One newline at its end is not part of the value.
    #[schemars(length(min = 1))]
    pub file: Slot<String>,
}

/// The server settings that validation depends on.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Provider {
    /// `ALLOWED_REDIRECT_URI_SCHEMES`.
    #[schemars(example = &["http", "https"])]
    pub allowed_redirect_uri_schemes: List<String>,
    /// `ALLOWED_SCHEMES`: the schemes of allowed origins.
    #[schemars(example = &["https"])]
    pub allowed_schemes: List<String>,
    /// `ALLOW_URI_WILDCARDS`.
    pub allow_uri_wildcards: Slot<bool>,
    /// Whether a URI that DOT's own validators refuse is an error or gets advice (the server has other validators).
    pub uri_rules: Slot<UriRules>,
    /// Whether the server has an `OIDC_RSA_PRIVATE_KEY`; RS256 needs one. Never the key itself.
    pub oidc_rsa_private_key: Slot<bool>,
    /// `CLIENT_SECRET_HASHER`: the algorithm of new secrets.
    #[schemars(extend("enum" = ["pbkdf2_sha256", "pbkdf2_sha1", "scrypt"]))]
    pub client_secret_hasher: Slot<String>,
    /// `CLIENT_SECRET_GENERATOR_LENGTH`: characters of a generated secret.
    #[schemars(range(min = 1, max = 255))]
    pub client_secret_generator_length: Slot<i64>,
    /// PBKDF2 iterations of new hashes. Default: those of the newest Django.
    #[schemars(range(min = 1, max = 40_000_000))]
    pub client_secret_iterations: Slot<i64>,
}

/// What applications have that say nothing else.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Defaults {
    /// Columns of the project's own, by name, as if each application had these lines.
    pub columns: Slot<BTreeMap<String, Slot<Free>>>,
}

/// One application. A field that is not written is not managed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Application {
    /// The client id, where it is not the name of the table.
    #[schemars(length(min = 1))]
    pub client_id: Slot<String>,
    /// `false`: the application must not exist, as with `[[removed]]`. The other keys are kept and not used.
    pub enabled: Slot<bool>,
    /// The display name.
    pub name: Slot<String>,
    /// Whether the client can keep a secret (RFC 6749 section 2.1).
    pub client_type: Slot<ClientType>,
    /// The grant type.
    pub authorization_grant_type: Slot<GrantType>,
    /// Where users may be sent with a code or token. A set.
    #[schemars(inner(regex(pattern = "^\\S+$")), example = &["https://shop.example.com/callback"])]
    pub redirect_uris: List<String>,
    /// Where users may be sent after a logout (DOT 2.3). A set.
    #[schemars(inner(regex(pattern = "^\\S+$")), example = &["https://shop.example.com/goodbye"])]
    pub post_logout_redirect_uris: List<String>,
    /// Origins of CORS requests to the token endpoint (DOT 2.4). A set.
    #[schemars(inner(regex(pattern = "^\\S+$")), example = &["https://shop.example.com"])]
    pub allowed_origins: List<String>,
    /// Where the secret is. Never the secret itself.
    #[schemars(with = "Secret")]
    pub client_secret: Slot<OrTable<Literal, Secret>>,
    /// Whether DOT hashes the secret (DOT 2.4).
    pub hash_client_secret: Slot<bool>,
    /// How ID tokens are signed (DOT 1.5).
    pub algorithm: Slot<Algorithm>,
    /// Whether users are not asked for their consent.
    pub skip_authorization: Slot<bool>,
    /// How the client authenticates at the token endpoint (DOT's main branch).
    pub token_endpoint_auth_method: Slot<AuthMethod>,
    /// The client's public keys: a JSON Web Key Set as text (DOT's main branch).
    #[schemars(example = &"{\"keys\": [{\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"x\": \"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}")]
    pub client_jwks: Slot<String>,
    /// Where the client's public keys are, with https (DOT's main branch).
    #[schemars(length(max = 500), example = &"https://shop.example.com/jwks.json")]
    pub client_jwks_uri: Slot<String>,
    /// Whether the client must push its authorization requests, RFC 9126 (DOT's main branch).
    pub require_pushed_authorization_requests: Slot<bool>,
    /// The user that owns the application.
    pub user: Slot<OrTable<UserKey, User>>,
    /// Whether the application may not be deleted, nor its clients notice a change, without `--allow`.
    pub protect: Slot<bool>,
    /// Columns of the project's own, by name, where the Application model is swapped.
    pub columns: Slot<BTreeMap<String, Slot<Free>>>,
    /// Fields that are written when the application is created and left alone afterwards; `columns.NAME` for a column.
    pub ignore: List<Ignored>,
}

/// Where a client secret is: exactly one of the keys.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub(super) struct Secret {
    /// The name of an environment variable.
    #[schemars(regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$"), example = &"WEB_CLIENT_SECRET")]
    pub env: Slot<String>,
    /// The path of a file, relative to this one. One newline at its end is not part of the secret.
    #[schemars(length(min = 1))]
    pub file: Slot<String>,
    /// The secret as Django hashes it, such as `pbkdf2_sha256$…`. Compared as text.
    #[schemars(
        length(min = 1),
        example = &"pbkdf2_sha256$1200000$R3vyT0aCOWOBzXtlXZVJWX$4ZfQyvqV1nKUsJSMJCyhfAXlT3eBMOCAtA6J5bF4bbw="
    )]
    pub hash: Slot<String>,
    /// `true`: made at apply and shown once. The default of a new application.
    #[schemars(extend("const" = true))]
    pub generate: Slot<bool>,
}

/// An owner by what one column of the user table has for no other user: `username`, `email`, or `column` and `value`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend(
    "minProperties" = 1,
    "maxProperties" = 2,
    "dependentRequired" = { "column": ["value"], "value": ["column"] },
    "not" = { "anyOf": [
        { "required": ["username", "email"] },
        { "required": ["username", "column"] },
        { "required": ["email", "column"] }
    ] }
))]
pub(super) struct User {
    /// The value of the user model's `username` column.
    #[schemars(length(min = 1))]
    pub username: Slot<String>,
    /// The value of its `email` column, for models without usernames.
    #[schemars(length(min = 1))]
    pub email: Slot<String>,
    /// The name of another column of the user table.
    #[schemars(length(min = 1))]
    pub column: Slot<String>,
    /// What only the owner has there: text, or a whole number.
    pub value: Slot<UserValue>,
}

/// An application that must not exist.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["client_id"]))]
pub(super) struct Removed {
    /// Its client id.
    #[schemars(length(min = 1))]
    pub client_id: Slot<String>,
}

/// An application that gets another client id.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["from", "to"]))]
pub(super) struct Renamed {
    /// The client id that it had.
    #[schemars(length(min = 1))]
    pub from: Slot<String>,
    /// The client id under which it is declared.
    #[schemars(length(min = 1))]
    pub to: Slot<String>,
}

/// A program that runs after an apply.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["after_apply"]))]
pub(super) struct Hook {
    /// The program and its arguments, without a shell. It reads from stdin which applications changed, as JSON.
    #[schemars(length(min = 1), example = &["kubectl", "rollout", "restart", "deployment/gateway"])]
    pub after_apply: List<String>,
    /// The most time that it may take; then it is ended. 0: no limit.
    #[schemars(example = &"60s")]
    pub timeout: Slot<Duration>,
}

/// What a plan may do.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Policy {
    /// Which applications are deleted because the file does not mention them.
    pub prune: Slot<Prune>,
    /// The name of this file in the ledger, used in place of its path.
    #[schemars(length(min = 1, max = 255), example = &"github.com/example/infrastructure")]
    pub owner: Slot<String>,
    /// Client ids that are not deleted even when the file no longer declares them.
    pub protect: List<String>,
    /// Which applications registered themselves by something that leaves DOT's `registration_source` at `manual`. Of a list,
    /// one is enough.
    pub dynamic: Slot<OrTable<Vec<Slot<Mark>>, Mark>>,
    /// The most deletions of one plan.
    pub max_deletes: Slot<Limit>,
    /// The most updates of one plan.
    pub max_updates: Slot<Limit>,
}

/// A column of the application table, and the value that it has where an application registered itself.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["column", "value"]))]
pub(super) struct Mark {
    /// The name of the column.
    #[schemars(length(min = 1), example = &"is_dcr_client")]
    pub column: Slot<String>,
    /// The value: true or false, a whole number, or text.
    pub value: Slot<Comparable>,
}

/// Which advice is given on what DOT accepts.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Lint {
    /// Which rules speak.
    pub set: Slot<Set>,
    /// Rules whose advice must be followed: `RULE`, or `RULE:CLIENT_ID` for one application.
    #[schemars(example = &["wildcard"])]
    pub deny: List<String>,
    /// Rules that say nothing: `RULE`, or `RULE:CLIENT_ID` for one application.
    #[schemars(example = &["wildcard"])]
    pub ignore: List<String>,
}

/// Which tokens cleanup deletes, and how fast.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Cleanup {
    /// `REFRESH_TOKEN_EXPIRE_SECONDS`; 0: refresh tokens never expire by age.
    pub refresh_token_expire: Slot<Duration>,
    /// `REFRESH_TOKEN_GRACE_PERIOD_SECONDS`.
    pub refresh_token_grace_period: Slot<Duration>,
    /// `REFRESH_TOKEN_REUSE_PROTECTION`.
    pub refresh_token_reuse_protection: Slot<bool>,
    /// Rows of one transaction.
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    pub batch_size: Slot<i64>,
    /// Pause between batches; 0: none.
    pub batch_interval: Slot<Duration>,
    /// How long a batch should take; `batch_size` is then the ceiling. 0: always `batch_size` rows.
    pub target_batch_time: Slot<Duration>,
    /// Sleep this multiple of each batch's time; 0: none.
    #[schemars(with = "serde_json::Number", range(min = 0, max = 100))]
    pub nice_ratio: Slot<f64>,
    /// Stop after this long; 0: no limit.
    pub max_duration: Slot<Duration>,
    /// Stop when this number of rows is deleted.
    #[schemars(range(min = 1))]
    pub max_rows: Slot<i64>,
    /// Number of connections that delete in parallel.
    pub workers: Slot<Workers>,
    /// Wait while a replica is further behind than this; 0: do not look.
    pub max_replica_lag: Slot<Duration>,
    /// Wait while the server writes more WAL than this, and while a requested checkpoint runs; 0: do not look.
    pub max_wal_rate: Slot<Rate>,
    /// Vacuum a table each time that this number of its rows is deleted; 0: leave that to autovacuum.
    #[schemars(range(min = 0))]
    pub vacuum_every: Slot<i64>,
    /// Wait while a replication slot holds back more WAL than this; 0: do not look.
    pub max_slot_lag: Slot<Size>,
    /// Wait while more WAL segments than this are to be archived; 0: do not look.
    #[schemars(range(min = 0))]
    pub max_archive_backlog: Slot<i64>,
    /// Who makes sure that nothing refers to deleted rows; `set` needs `--allow fk-checks=set`, `auto` uses it.
    pub fk_checks: Slot<FkChecks>,
    /// How rows go; `rewrite` needs `--allow rewrite`.
    pub strategy: Slot<Strategy>,
    /// How `plan`, `status` and the progress bar count. Unset: exactly where `count_budget` suffices, otherwise by a
    /// forecast.
    pub count: Slot<CountMethod>,
    /// The most time that counting takes, unless `count` is `exact`.
    #[schemars(example = &"5s")]
    pub count_budget: Slot<Duration>,
    /// What to clean. Empty: all that DOT's `cleartokens` deletes.
    pub only: List<Category>,
    /// What not to clean.
    pub skip: List<Category>,
    /// Whether expired device grants are deleted, which DOT does not.
    pub device_grants: Slot<bool>,
    /// Whether expired CIMD applications are deleted, as DOT's `clearcimdapplications` does.
    pub cimd_applications: Slot<bool>,
    /// Deletes dynamically registered applications that no user ever authorised. DOT does not delete these.
    pub dcr_applications: Slot<DcrApplications>,
    /// Client ids whose rows are left alone.
    pub exclude_clients: List<String>,
    /// What is done with rows of the project's own that refer to rows that go, by `table.column` or
    /// `schema.table.column`: what Django's `on_delete` does. On its own, this table switches no cleanup on.
    pub references: Slot<BTreeMap<String, Slot<ReferenceRule>>>,
}

/// Which dynamically registered applications are deleted.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["min_age"]))]
pub(super) struct DcrApplications {
    /// How long ago an application must have registered, and last changed its registration.
    pub min_age: Slot<Duration>,
    /// An application that registered longer ago was used once, and stays: a regular run would have deleted it before.
    #[schemars(example = &"90d")]
    pub max_age: Slot<Duration>,
    /// Whether those that `max_age` spares are deleted too: for the first run over a backlog.
    pub dormant: Slot<bool>,
}
