//! What the other modules stand on: a real server, a database per test, and the binary under test.
//!
//! - [`Database`]: its own database in the one server of this test process, made from a [`Template`].
//! - [`Sandbox`]: a directory with files, in which the built `oauthctl` runs; [`Output`] is what it did, as text.
//!
//! Tests may be plain `#[test]`s or `#[tokio::test]`s. The helpers block and work in both: what they ask of the
//! server runs on a runtime of its own, never on the test's. Async code under test takes its client from
//! [`Database::connect`].
//!
//! There are no skipped tests: without PostgreSQL programs, everything that needs them fails and says what to install.
//! What the machine itself forbids is reported by name, see [`not_run`].

pub mod certificates;
pub mod cutter;
pub mod database;
pub mod dot;
pub mod eventually;
pub mod forge;
pub mod instance;
pub mod namespace;
pub mod network;
pub mod not_run;
pub mod pooler;
pub mod rows;
pub mod sandbox;
pub mod schema;
pub mod server;
pub mod signals;
pub mod tap;
pub mod terminal;

pub use database::{Database, Template};
pub use eventually::{PATIENCE, eventually};
pub use instance::Instance;
pub use not_run::not_run;
pub use sandbox::Sandbox;
pub use server::{binary, environment, server};
