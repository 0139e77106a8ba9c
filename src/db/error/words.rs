//! What of the server's words is kept: nothing that can hold a value of a row.

use tokio_postgres::error::DbError as ServerError;

use crate::hasher::Algorithm;

/// Class 22 (data exceptions) quotes the value that it refuses, and a trigger may quote any value of a row.
/// Errors of encodings quote bytes of one character and names of encodings, which say what to do.
pub(super) fn message(server: &ServerError) -> String {
    let text = hashes_left_out(server.message());
    let sqlstate = server.code().code();
    if !sqlstate.starts_with("22") || ["22P05", "22021"].contains(&sqlstate) {
        return text;
    }
    match (text.find('"'), text.rfind('"')) {
        (Some(first), Some(last)) if first < last => format!("{}\"…\"{}", &text[..first], &text[last + 1..]),
        _ => text,
    }
}

/// A text without what follows the name of a password hasher.
pub(super) fn hashes_left_out(text: &str) -> String {
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ')');
    Algorithm::ALL.iter().fold(text.to_owned(), |text, algorithm| {
        let start = format!("{}$", algorithm.name());
        let mut parts = text.split(start.as_str());
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |shown, part| {
            format!("{shown}{start}…{}", &part[part.find(ends).unwrap_or(part.len())..])
        })
    })
}

/// Of the other classes, some put values into the detail: data exceptions, constraints, and the errors of triggers.
pub(super) fn detail(server: &ServerError) -> Option<&str> {
    const WITHOUT_VALUES: [&str; 12] =
        ["08", "0A", "25", "28", "2B", "3D", "3F", "40", "42", "53", "55", "57"];
    let class = server.code().code().get(..2).unwrap_or_default();
    server.detail().filter(|_| WITHOUT_VALUES.contains(&class))
}

/// An error of the operating system as a part of our sentence: without its number, starting in lower case.
pub(in crate::db) fn tidy(text: &str) -> String {
    let text = match text.rfind(" (os error ") {
        Some(at) => &text[..at],
        None => text,
    };
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        // "I/O error" and "TLS" stay.
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{hashes_left_out, tidy};

    #[test]
    fn hashes_in_messages_are_left_out() {
        for (said, shown) in [
            ("no: (1,web,,\"pbkdf2_sha256$1$salt$aGFzaA==\",t)", "no: (1,web,,\"pbkdf2_sha256$…\",t)"),
            ("argon2$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA", "argon2$…"),
            ("pbkdf2_sha1$1$a$b and bcrypt_sha256$$2b$04$x, no", "pbkdf2_sha1$… and bcrypt_sha256$… no"),
            ("a relation \"argon2\" costs 5$", "a relation \"argon2\" costs 5$"),
        ] {
            assert_eq!(hashes_left_out(said), shown);
        }
    }

    #[test]
    fn system_errors_become_parts_of_a_sentence() {
        assert_eq!(tidy("Connection refused (os error 111)"), "connection refused");
        assert_eq!(tidy("TLS handshake"), "TLS handshake");
        assert_eq!(tidy(""), "");
    }
}
