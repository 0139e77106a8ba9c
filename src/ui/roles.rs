//! Roles as a script of SQL, to be read before it is run. Pure.

use std::fmt::Write as _;

use crate::model::health::JobRole;

/// The script. Its statements are one transaction.
#[must_use]
pub fn render(roles: &[JobRole]) -> String {
    let mut out = String::from(
        "-- Roles for oauthctl's jobs, with what they need in this database and by this file. Nothing was run.\n\
         -- Run this as a superuser, or as the owner of the tables who may create roles.\n\
         BEGIN;\n",
    );
    for JobRole { name, job, exists, grants } in roles {
        let _ = writeln!(out, "\n-- {job}.");
        let _ = if *exists {
            writeln!(out, "-- The role {name} is there already.")
        } else {
            writeln!(out, "CREATE ROLE {name} NOLOGIN;")
        };
        for grant in grants {
            let _ = writeln!(out, "{grant}");
        }
    }
    out.push_str("\nCOMMIT;\n\n-- Then give each role to the login that does the job, in place of LOGIN:\n");
    for JobRole { name, .. } in roles {
        let _ = writeln!(out, "-- GRANT {name} TO LOGIN;");
    }
    out
}
