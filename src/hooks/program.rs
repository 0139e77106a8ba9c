//! Whether a program can be found, before anything is changed.

use std::ffi::OsStr;
use std::path::Path;

use nix::unistd::{AccessFlags, access};

/// Whether the system will find a program of this name and may run it. `path`: the variable `PATH`.
#[must_use]
pub fn is_there(program: &str, path: Option<&OsStr>) -> bool {
    if program.contains('/') {
        return is_executable(Path::new(program));
    }
    let Some(path) = path else {
        // Then the C library looks in places of its own.
        return true;
    };
    std::env::split_paths(path).any(|directory| is_executable(&directory.join(program)))
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && access(path, AccessFlags::X_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_looked_for_as_a_shell_does() {
        let path = Some(OsStr::new("/nowhere:/bin:/usr/bin"));
        assert!(is_there("sh", path) && is_there("/bin/sh", path) && is_there("/bin/sh", None));
        assert!(!is_there("sh", Some(OsStr::new("/nowhere"))));
        assert!(!is_there("/etc/passwd", path) && !is_there("/bin", path) && !is_there("./sh", path));
    }
}
