//! The connection service file: `[name]` sections of `option=value` lines.
//!
//! The rules are those of libpq's `parseServiceFile`: the user's file is read first, then the system's; the first
//! section of the name is the only one; there is no quoting, and an unknown option is an error.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::{ConninfoError, Place};
use super::surroundings::Surroundings;

/// Where the system's file may be. libpq has one of them compiled in: Debian's packages, Red Hat's, one from source.
const SYSTEM_DIRECTORIES: [&str; 4] =
    ["/etc/postgresql-common", "/etc/sysconfig/pgsql", "/etc", "/usr/local/pgsql/etc"];

/// The lines of a section: option and value. The value may be a password.
pub type Lines = Vec<(String, String)>;

/// Finds the section. `file` is the user's choice of a file (`servicefile`, `PGSERVICEFILE`).
pub fn find(
    name: &str,
    asked_in: &Place,
    file: Option<&str>,
    around: &dyn Surroundings,
) -> Result<(PathBuf, Lines), ConninfoError> {
    let mut searched = Vec::new();
    let own = match file {
        Some(file) => Some(PathBuf::from(file)),
        None => around.home().map(|home| home.join(".pg_service.conf")),
    };
    for (path, required) in own.into_iter().map(|path| (path, file.is_some())).chain(system_files(around)) {
        let found = match around.read(&path) {
            Ok(text) => section(&text, name, &path)?,
            Err(error) if error.kind() == ErrorKind::NotFound && !required => None,
            Err(error) => {
                return Err(ConninfoError::ServiceFileUnreadable {
                    file: path,
                    what: error.kind().to_string(),
                });
            }
        };
        if let Some(lines) = found {
            return Ok((path, lines));
        }
        searched.push(path);
    }
    Err(ConninfoError::NoService { name: name.to_owned(), place: asked_in.clone(), searched })
}

fn system_files(around: &dyn Surroundings) -> Vec<(PathBuf, bool)> {
    if let Some(directory) = around.var("PGSYSCONFDIR") {
        return vec![(Path::new(&directory).join("pg_service.conf"), false)];
    }
    SYSTEM_DIRECTORIES.iter().map(|directory| (Path::new(directory).join("pg_service.conf"), false)).collect()
}

fn section(text: &str, name: &str, file: &Path) -> Result<Option<Lines>, ConninfoError> {
    let mut lines: Option<Lines> = None;
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b');
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            if lines.is_some() {
                break;
            }
            if header.strip_prefix(name).is_some_and(|rest| rest.starts_with(']')) {
                lines = Some(Vec::new());
            }
        } else if let Some(lines) = &mut lines {
            let (option, value) = option(line).map_err(|what| ConninfoError::ServiceFile {
                file: file.to_owned(),
                line: at + 1,
                what: what.to_owned(),
            })?;
            lines.push((option.to_owned(), value.to_owned()));
        }
    }
    Ok(lines)
}

fn option(line: &str) -> Result<(&str, &str), &'static str> {
    if line.starts_with("ldap") {
        return Err("looking up a service in LDAP is not implemented");
    }
    match line.split_once('=') {
        None => Err("it has no \"=\""),
        Some(("service" | "servicefile", _)) => Err("a service cannot refer to another service"),
        Some(option) => Ok(option),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conninfo::surroundings::Imagined;

    const OWN: &str = "/home/me/.pg_service.conf";

    fn found(around: &Imagined, name: &str, file: Option<&str>) -> String {
        match find(name, &Place::Variable("PGSERVICE"), file, around) {
            Ok((path, lines)) => format!("{}: {lines:?}", path.display()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_users_file_comes_before_the_systems() {
        let around = Imagined::new()
            .with_file(OWN, "# mine\n[other]\nhost=x\n\n  [mine]  \n host=a=b \nport=1\n[mine]\nhost=never\n")
            .with_file("/sys/pg_service.conf", "[theirs]\nhost=c\n[mine]\nhost=d\n")
            .with_var("PGSYSCONFDIR", "/sys");
        assert_eq!(found(&around, "mine", None), format!(r#"{OWN}: [("host", "a=b"), ("port", "1")]"#));
        assert_eq!(found(&around, "theirs", None), r#"/sys/pg_service.conf: [("host", "c")]"#);
        assert_eq!(
            found(&around, "none", None),
            format!(
                "the connection service \"none\" (from PGSERVICE) is not defined in {OWN} or /sys/pg_service.conf"
            )
        );
    }

    #[test]
    fn a_chosen_file_must_exist() {
        let around = Imagined::new();
        assert_eq!(
            found(&around, "mine", Some("/gone")),
            "cannot read the connection service file /gone: entity not found"
        );
    }

    #[test]
    fn broken_lines_are_named_by_number() {
        for (line, what) in [
            ("host", "it has no \"=\""),
            ("service=x", "a service cannot refer to another service"),
            ("ldap://x", "looking up a service in LDAP is not implemented"),
        ] {
            let around = Imagined::new().with_file(OWN, &format!("[mine]\n{line}\n"));
            assert_eq!(found(&around, "mine", None), format!("line 2 of {OWN} is not valid: {what}"));
        }
    }
}
