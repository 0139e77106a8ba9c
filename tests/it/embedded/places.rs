//! Where the server may be, as whom it runs, and what is said where that does not work.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::unistd::{Uid, User};
use oauthctl::embedded::{DIRECTORY_VARIABLE, EmbeddedError, Place};

use super::{directory, kept, processes, query, start, used};
use crate::support::server::programs;
use crate::support::{binary, environment};

#[test]
fn root_has_its_own_place_and_others_have_their_home() {
    let place = |variables: &'static [(&'static str, &'static str)]| {
        Place::kept(&|wanted| {
            variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).into())
        })
        .map(|place| place.directory().to_path_buf())
    };
    assert_eq!(
        place(&[(DIRECTORY_VARIABLE, "/some/where"), ("HOME", "/h")]).unwrap(),
        Path::new("/some/where")
    );
    if Uid::effective().is_root() {
        assert_eq!(place(&[("HOME", "/h")]).unwrap(), Path::new("/var/lib/oauthctl/embedded"));
    } else {
        assert_eq!(place(&[("HOME", "/h")]).unwrap(), Path::new("/h/.local/share/oauthctl/embedded"));
        let relative = &[("XDG_DATA_HOME", "x"), ("HOME", "/h")];
        assert_eq!(place(relative).unwrap(), Path::new("/h/.local/share/oauthctl/embedded"));
        let absolute = &[("XDG_DATA_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(place(absolute).unwrap(), Path::new("/x/oauthctl/embedded"));
        assert!(matches!(place(&[]), Err(EmbeddedError::NoHome)));
    }
}

/// A user whose `~/.local` does not exist yet.
#[test]
fn any_user_has_one_in_a_fresh_home_whatever_the_umask() {
    let (home, program) = (directory(), directory());
    // The built program may be where only root can go.
    fs::copy(binary(), program.path().join("oauthctl")).unwrap();
    fs::set_permissions(program.path(), Permissions::from_mode(0o755)).unwrap();
    let migrate = |umask: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", "umask $1; exec $2 migrate --provider --embedded", "sh", umask]);
        command.arg(program.path().join("oauthctl")).current_dir(program.path());
        command.env_clear().env("PATH", environment("PATH").unwrap()).env("HOME", home.path());
        if Uid::effective().is_root() {
            let nobody = User::from_name("nobody").unwrap().expect("a user nobody");
            chown(home.path(), Some(nobody.uid.as_raw()), Some(nobody.gid.as_raw())).unwrap();
            command.uid(nobody.uid.as_raw()).gid(nobody.gid.as_raw());
        }
        let output = command.output().unwrap();
        let told = String::from_utf8([output.stderr, output.stdout].concat()).unwrap();
        assert!(output.status.success(), "{umask}: {told}");
        told.replace(home.path().to_str().unwrap(), "~")
    };
    assert_eq!(
        migrate("0777"),
        "Making an embedded PostgreSQL in ~/.local/share/oauthctl/embedded. This takes some seconds.\n\
         Made an embedded PostgreSQL in ~/.local/share/oauthctl/embedded. It is stopped when no oauthctl uses it any more.\n\
         The provider schema of DOT 3.4.1 is in place: V1__dot_3_4_1.\n"
    );
    assert_eq!(
        migrate("0000"),
        "Using the embedded PostgreSQL in ~/.local/share/oauthctl/embedded. It is stopped when no oauthctl uses it any more.\n\
         The provider schema of DOT 3.4.1 is up to date.\n"
    );
    let place = home.path().join(".local/share/oauthctl/embedded");
    for closed in [&place, &place.join("run"), &place.join("data")] {
        assert_eq!(fs::metadata(closed).unwrap().permissions().mode() & 0o777, 0o700);
    }
    assert_eq!(processes(home.path()), []);
}

/// Too long for the path of a socket, or with a meaning for those who read it: then the socket is elsewhere.
#[test]
fn awkward_paths() {
    let parent = directory();
    fs::set_permissions(parent.path(), Permissions::from_mode(0o755)).unwrap();
    for name in ["a, \"b\" 'c' é%20", &"x".repeat(120)] {
        let place = parent.path().join(name);
        fs::create_dir(&place).unwrap();
        let cluster = start(&used(&place)).unwrap();
        let socket_dir = cluster.socket_dir().to_owned();
        assert!(socket_dir.to_str().unwrap().starts_with("/tmp/oauthctl-run-"), "{}", socket_dir.display());
        assert_eq!(fs::metadata(&socket_dir).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(query(&socket_dir, "SELECT 1").unwrap(), "1");
        drop(cluster);
        assert!(!socket_dir.exists());
    }
}

#[test]
fn what_cannot_be_is_said() {
    let directory = directory();
    let path = directory.path().display().to_string();
    let told = |place: &Place| match start(place) {
        Ok(_) => panic!("it started"),
        Err(error) => error.to_string().replace(&path, "[dir]"),
    };
    let bindir = programs().bindir().display().to_string();
    let major = programs().major().unwrap();

    let foreign = directory.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("thesis.tex"), "").unwrap();
    assert_eq!(told(&kept(&foreign)), "[dir]/foreign is not empty, and no embedded server has been there");
    assert!(!kept(&foreign).reset().unwrap());
    assert_eq!(fs::read_dir(&foreign).unwrap().count(), 1);

    let made = directory.path().join("made");
    fs::create_dir(&made).unwrap();
    let place = used(&made);
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let data = place.directory().join("data");
    fs::write(data.join("postgresql.auto.conf"), "no_such_setting = 1\n").unwrap();
    let error = told(&place);
    let (before, after) = error.split_once("postgres: exit status: 1\n").expect(&error);
    assert_eq!(before, "the embedded server in [dir]/made did not start: ");
    assert!(after.contains("unrecognized configuration parameter \"no_such_setting\""), "{error}");

    fs::write(data.join("PG_VERSION"), "9.6\n").unwrap();
    assert_eq!(
        told(&place),
        format!(
            "the data in [dir]/made was made by PostgreSQL 9.6, and the programs in {bindir} are PostgreSQL {major}"
        )
    );
    assert!(place.reset().unwrap());

    if Uid::effective().is_root() {
        let closed = directory.path().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
        let expected = "cannot enter [dir]/closed, which is on the way to [dir]/closed/inside";
        assert!(told(&kept(&closed.join("inside"))).ends_with(expected));
    }
}
