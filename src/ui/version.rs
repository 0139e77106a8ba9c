//! The answer of `version`: the build, and the DOT and PostgreSQL that it works with. As JSON it is documented in
//! `docs/other-json.md`. Pure.

use std::collections::BTreeMap;
use std::env::consts;

use serde::Serialize;

use super::report_json;
use crate::model::{Category, Engine, Release};

/// A build of this program.
#[derive(Debug)]
pub struct Build {
    /// 40 hexadecimal digits; `None`: the build did not say.
    pub commit: Option<&'static str>,
    /// `gnu` or `musl`; `None`: the system has but one.
    pub libc: Option<&'static str>,
    /// Each verb with the formats of its answers.
    pub verbs: BTreeMap<&'static str, Vec<&'static str>>,
}

/// What `version` prints: a line with the name, then one for each fact.
#[must_use]
pub fn text(build: &Build) -> String {
    let mut platform = format!("{} on {}", consts::OS, consts::ARCH);
    if let Some(libc) = build.libc {
        platform = format!("{platform}, {libc}");
    }
    format!(
        "oauthctl {}\n\
         commit      {}\n\
         platform    {platform}\n\
         DOT         {} to {}, and the main branch of {}\n\
         PostgreSQL  {} to {}\n",
        env!("CARGO_PKG_VERSION"),
        build.commit.unwrap_or("unknown"),
        Release::OLDEST.number(),
        Release::NEWEST.number(),
        Release::MAIN_AS_OF,
        Engine::OLDEST_TESTED,
        Engine::NEWEST_TESTED,
    )
}

#[derive(Serialize)]
struct Document<'a> {
    commit: Option<&'a str>,
    platform: Platform<'a>,
    django_oauth_toolkit: Dot,
    postgresql: PostgreSql,
    verbs: &'a BTreeMap<&'static str, Vec<&'static str>>,
    cleanup_categories: Vec<&'static str>,
}

#[derive(Serialize)]
struct Platform<'a> {
    os: &'static str,
    architecture: &'static str,
    libc: Option<&'a str>,
}

#[derive(Serialize)]
struct Dot {
    oldest: &'static str,
    newest: &'static str,
    main_branch: MainBranch,
}

#[derive(Serialize)]
struct MainBranch {
    as_of: &'static str,
    migration: u32,
}

#[derive(Serialize)]
struct PostgreSql {
    oldest: u32,
    newest: u32,
}

/// The same facts and the verbs with their formats, as one JSON document.
///
/// # Errors
/// Serde's, which do not occur.
pub fn json(build: &Build) -> serde_json::Result<String> {
    report_json::document(Document {
        commit: build.commit,
        platform: Platform { os: consts::OS, architecture: consts::ARCH, libc: build.libc },
        django_oauth_toolkit: Dot {
            oldest: Release::OLDEST.number(),
            newest: Release::NEWEST.number(),
            main_branch: MainBranch { as_of: Release::MAIN_AS_OF, migration: Release::NEWEST_MIGRATION },
        },
        postgresql: PostgreSql { oldest: Engine::OLDEST_TESTED, newest: Engine::NEWEST_TESTED },
        verbs: &build.verbs,
        cleanup_categories: Category::ALL.iter().map(|category| category.key()).collect(),
    })
}
