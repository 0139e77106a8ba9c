//! The user that the server runs as. PostgreSQL refuses to run as root; other users run it as themselves.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::unistd::{Gid, Uid, User};

use super::{At, EmbeddedError};

/// Another account than this process's, which the server runs as.
#[derive(Clone, Debug)]
pub(super) struct Account {
    uid: u32,
    gid: u32,
    name: String,
}

/// Whether PostgreSQL would refuse to run as what this process is.
pub(super) fn is_root() -> bool {
    Uid::effective().is_root()
}

impl Account {
    /// The account to switch to; `None` where this process needs no other. For root: the owner of the data that is
    /// there already (it may date from before a `postgres` user existed), else `postgres`, else `nobody`.
    pub(super) fn for_data(data: &Path) -> Result<Option<Self>, EmbeddedError> {
        if !is_root() {
            let uid = Uid::effective();
            return match User::from_uid(uid) {
                Ok(Some(_)) => Ok(None),
                _ => Err(EmbeddedError::NoAccount { uid: uid.as_raw() }),
            };
        }
        if let Some(owner) = fs::metadata(data).ok().filter(|metadata| metadata.uid() != 0) {
            let name = User::from_uid(Uid::from_raw(owner.uid())).ok().flatten().map(|user| user.name);
            let name = name.unwrap_or_else(|| owner.uid().to_string());
            return Ok(Some(Self { uid: owner.uid(), gid: owner.gid(), name }));
        }
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .map(|user| Some(Self { uid: user.uid.as_raw(), gid: user.gid.as_raw(), name: user.name }))
            .ok_or(EmbeddedError::OnlyRoot)
    }

    /// Makes a program run as this account. The standard library drops the supplementary groups, too.
    pub(super) fn run(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    /// Gives a file to this account.
    pub(super) fn own(&self, path: &Path) -> Result<(), EmbeddedError> {
        chown(path, Some(self.uid), Some(self.gid)).at("give to the server's user the directory", path)
    }

    /// Checks that this account can get into a directory: `x` on it and on everything above it.
    pub(super) fn can_enter(&self, directory: &Path) -> Result<(), EmbeddedError> {
        let real = directory.canonicalize().at("find", directory)?;
        let mut ancestors: Vec<_> = real.ancestors().collect();
        ancestors.reverse();
        for closed in ancestors {
            let metadata = fs::metadata(closed).at("examine", closed)?;
            let shift = match (Uid::from_raw(metadata.uid()), Gid::from_raw(metadata.gid())) {
                (owner, _) if owner.as_raw() == self.uid => 6,
                (_, group) if group.as_raw() == self.gid => 3,
                _ => 0,
            };
            if metadata.mode() >> shift & 1 == 0 {
                return Err(EmbeddedError::Unreachable {
                    directory: directory.to_path_buf(),
                    closed: closed.to_path_buf(),
                    account: self.name.clone(),
                });
            }
        }
        Ok(())
    }
}
