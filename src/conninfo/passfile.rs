//! The password file, `~/.pgpass`: `hostname:port:database:username:password`, first match wins.
//!
//! The rules are those of libpq's `passwordFromFile`: `*` matches anything, `\` escapes `:` and `\`, a line that
//! starts with `#` is a comment, and a file that others may read is ignored with a warning.

use std::path::Path;

use super::surroundings::Surroundings;
use crate::secret::Secret;

/// What a password is looked up for.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// The names under which the host may be listed: the host itself, and `localhost` for the default socket.
    pub hosts: &'a [&'a str],
    pub port: u16,
    pub dbname: &'a str,
    pub user: &'a str,
}

/// The text of the file; `None` where there is none.
///
/// # Errors
/// A warning where it may not be used.
pub fn load(path: &Path, around: &dyn Surroundings) -> Result<Option<Secret>, String> {
    let Ok(stat) = around.stat(path) else { return Ok(None) };
    let why = if !stat.is_file {
        "it is not a plain file".to_owned()
    } else if stat.mode & 0o077 != 0 {
        format!("others may read it (mode {:04o}; it must be 0600 or less)", stat.mode & 0o777)
    } else {
        // libpq ignores a file that it cannot open.
        return Ok(around.read(path).ok().map(Secret::new));
    };
    Err(format!("the password file {} is ignored: {why}", path.display()))
}

/// The password of the first line that matches.
pub fn lookup(text: &Secret, login: Login<'_>) -> Option<Secret> {
    let port = login.port.to_string();
    text.expose().lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let rest = login.hosts.iter().find_map(|host| strip_field(line, host))?;
        let rest = strip_field(rest, &port)?;
        let rest = strip_field(rest, login.dbname)?;
        strip_field(rest, login.user).map(|password| Secret::new(unescaped(password)))
    })
}

/// What follows the first field, if that field matches.
fn strip_field<'a>(line: &'a str, wanted: &str) -> Option<&'a str> {
    if let Some(rest) = line.strip_prefix("*:") {
        return Some(rest);
    }
    let mut wanted = wanted.chars();
    let mut chars = line.char_indices();
    while let Some((at, c)) = chars.next() {
        let c = match c {
            ':' if wanted.as_str().is_empty() => return Some(&line[at + 1..]),
            '\\' => chars.next()?.1,
            c => c,
        };
        if wanted.next() != Some(c) {
            return None;
        }
    }
    None
}

/// The password field ends at the first `:` that is not escaped; what follows is ignored.
fn unescaped(field: &str) -> String {
    let mut password = String::with_capacity(field.len());
    let mut chars = field.chars();
    while let Some(c) = chars.next() {
        match c {
            ':' => break,
            '\\' => password.push(chars.next().unwrap_or('\\')),
            c => password.push(c),
        }
    }
    password
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conninfo::surroundings::Imagined;

    fn found(text: &str, host: &str) -> Option<String> {
        let login = Login { hosts: &[host], port: 5432, dbname: "app", user: "me" };
        lookup(&Secret::new(text.to_owned()), login).map(|password| password.expose().to_owned())
    }

    #[test]
    fn the_first_matching_line_wins() {
        let text = "# comment\n\ndb1:5433:app:me:wrong port\ndb1:5432:*:me:first\n*:*:*:*:last\n";
        assert_eq!(found(text, "db1").as_deref(), Some("first"));
        assert_eq!(found(text, "db2").as_deref(), Some("last"));
        assert_eq!(found("db1:5432:app:you:x", "db1"), None);
    }

    #[test]
    fn colons_and_backslashes_are_escaped() {
        assert_eq!(found(r"\:\:1:5432:app:me:a\:b\\c", "::1").as_deref(), Some(r"a:b\c"));
        assert_eq!(found("db1:5432:app:me:a:rest", "db1").as_deref(), Some("a"));
        assert_eq!(found("db1:5432:app:me:", "db1").as_deref(), Some(""));
        assert_eq!(found("db1:5432:app:me", "db1"), None);
        assert_eq!(found("db1:5432:app:me:x\r\n", "db1").as_deref(), Some("x"));
        assert_eq!(found("*x:5432:app:me:x", "db1"), None);
    }

    #[test]
    fn a_file_that_others_may_read_is_ignored_with_a_warning() {
        let path = "/home/me/.pgpass";
        let around = Imagined::new().with_file(path, "*:*:*:*:x").with_mode(path, 0o640);
        assert_eq!(
            load(Path::new(path), &around).unwrap_err(),
            "the password file /home/me/.pgpass is ignored: others may read it (mode 0640; it must be 0600 or less)"
        );
        assert!(load(Path::new(path), &around.with_mode(path, 0o600)).unwrap().is_some());
    }
}
