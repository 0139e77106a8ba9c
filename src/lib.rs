//! `oauthctl` keeps the OAuth applications and the token tables of a Django OAuth Toolkit (DOT)
//! PostgreSQL database in the state that an `oauth.toml` declares.
//!
//! # The map of the house
//!
//! ```text
//!  oauth.toml ──► config ──► Desired ┐
//!                                    ├─► plan ──► Plan ──► ui (stdout) ──► [stop: `plan`]
//!  PostgreSQL ──► db ─────► Actual ──┘              │
//!                                                   └─► guard ─► confirm ─► apply ──► Outcome ──► ui
//!                                                                             │
//!                                                                             └─► Events ──► ui (stderr)
//! ```
//!
//! Cleanup is the same sentence with other nouns: policy and instant → [`plan::retention`] → sweeps with fixed
//! cutoffs → [`sweep`] → outcome. The imperative verbs build the same values and go through the same writer.
//!
//! # Who may import whom
//!
//! | module | may import |
//! |---|---|
//! | [`model`], [`secret`], [`hasher`] | each other |
//! | [`conninfo`] | `secret` |
//! | [`config`] | `model`, `secret`, `hasher`, `conninfo`, `rules`, `lint` |
//! | [`import`] | `model`, `hasher`, `rules`, `config`, `plan` |
//! | [`plan`] | `model`, `secret`, `hasher`, `rules` |
//! | [`rules`] | `model`, `hasher` |
//! | [`health`] | `model` |
//! | [`hooks`] | `model` |
//! | [`lint`] | `model`, `secret`, `rules`, `hasher` |
//! | [`db`] | `model`, `secret`, `hasher`, `conninfo` |
//! | [`delivery`] | `model`, `secret` |
//! | [`embedded`] | nothing of ours |
//! | [`apply`], [`sweep`] | `model`, `secret`, `hasher`, `plan`, `db` |
//! | [`ui`] | everything but `command` and `embedded`; it shows values, it makes none |
//! | [`error`] | everything but `command` and `ui` |
//! | [`command`] | everything; imported only by `main` |
//!
//! `tests/it/layering.rs` reads the `use` lines and holds the code to this table.

pub mod apply;
pub mod command;
pub mod config;
pub mod conninfo;
pub mod db;
pub mod delivery;
pub mod embedded;
pub mod error;
pub mod hasher;
pub mod health;
pub mod hooks;
pub mod import;
pub mod lint;
pub mod model;
pub mod plan;
pub mod rules;
pub mod secret;
pub mod sweep;
pub mod ui;
