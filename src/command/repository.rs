//! Paths as a forge knows them: seen from the top of the repository, not from the directory in which a job runs.

use std::path::{Path, PathBuf};

use super::environment;

/// Where GitHub and GitLab have checked the repository out.
const TOP: [&str; 2] = ["GITHUB_WORKSPACE", "CI_PROJECT_DIR"];

/// The path from the top of the repository; as it is, outside of a job of these forges or of the repository.
pub fn path(path: &Path) -> PathBuf {
    let top = TOP.into_iter().find_map(environment::variable_os).filter(|top| !top.is_empty());
    top.and_then(|top| below(Path::new(&top), path)).unwrap_or_else(|| path.to_owned())
}

/// The file itself need not be there.
fn below(top: &Path, path: &Path) -> Option<PathBuf> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new(".")).canonicalize().ok()?;
    let inside = directory.strip_prefix(top.canonicalize().ok()?).ok()?;
    Some(inside.join(path.file_name()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_below_the_top_are_seen_from_there() {
        let top = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(top.path().join("deploy/x")).unwrap();
        let seen = |file: &str| below(top.path(), &top.path().join(file));
        assert_eq!(seen("deploy/oauth.toml"), Some(PathBuf::from("deploy/oauth.toml")));
        assert_eq!(seen("deploy/x/../oauth.toml"), Some(PathBuf::from("deploy/oauth.toml")));
        assert_eq!(seen("oauth.toml"), Some(PathBuf::from("oauth.toml")));
        assert_eq!(below(&top.path().join("deploy"), &top.path().join("oauth.toml")), None);
    }
}
