//! Rows that should not be as they are: refresh tokens that share one token, and secrets that are not hashed. Nothing is
//! said where there are none, as nearly everywhere.

use super::{Check, Finding};
use crate::model::health::{Duplicates, PlainSecrets};
use crate::model::words::plural;

/// Hashes the secrets as they are, so that clients keep theirs. What is hashed already stays.
const HASH_THEM: &str = "python manage.py shell -c \"from oauth2_provider.models import get_application_model as model; \
                         [row.save(update_fields=['client_secret']) for row in \
                         model().objects.filter(hash_client_secret=True)]\"";

pub(super) fn duplicates(found: Option<&Duplicates>) -> Vec<Finding> {
    let Some(Duplicates { table, swapped, rows, live, select }) = found.filter(|found| found.rows > 0) else {
        return Vec::new();
    };
    let tokens = plural(*rows, "refresh token");
    let have = if *rows == 1 { "has" } else { "have" };
    let what = if *swapped {
        "That migration leaves swapped models alone, so the one of your own fails until these rows are deleted."
    } else {
        "DOT's migration 0023, after 3.4.1, deletes them: it keeps the one that is not revoked, or else the newest. Clean \
         up first, so that it has less to do."
    };
    let lost = match live {
        0 => "None of those that it deletes is live.".to_owned(),
        1 => "1 of those that it deletes is not revoked: its client has to log in again.".to_owned(),
        live => {
            format!("{live} of those that it deletes are not revoked: their clients have to log in again.")
        }
    };
    vec![
        Check::Duplicates
            .note(format!(
                "{tokens} of {table} {have} the token of another row, which a newer DOT does not allow."
            ))
            .meaning(format!("{what} {lost}"))
            .sql(select)
            .shell("oauthctl cleartokens --dry-run"),
    ]
}

pub(super) fn secrets(found: Option<&PlainSecrets>) -> Vec<Finding> {
    let Some(PlainSecrets { table, rows, select }) = found.filter(|found| found.rows > 0) else {
        return Vec::new();
    };
    let (secrets, are) = (plural(*rows, "client secret"), if *rows == 1 { "is" } else { "are" });
    vec![
        Check::Secrets.problem(format!("{secrets} of {table} {are} stored in clear, although hash_client_secret is true there."))
            .meaning("DOT hashes a secret only in save(): loaddata, update() and bulk_update() store it as it is. A change of hash_client_secret alone does not hash it either. Such a client works, but a copy of the database is a copy of its secret. Saving the rows hashes the secrets, and clients keep theirs.")
            .sql(select)
            .shell(HASH_THEM),
    ]
}
