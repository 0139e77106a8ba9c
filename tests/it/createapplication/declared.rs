//! `--write`: the application is in the file too, and a failure to put it there says that the row exists.

use std::fs;

use insta::assert_snapshot;

use super::{APPLICATIONS, World, taken_out};
use crate::support::database::Template;
use crate::support::rows::user;

const CRON: [&str; 8] = [
    "--write",
    "--client-id",
    "cron",
    "--name",
    "Cron jobs",
    "--skip-authorization",
    "confidential",
    "client-credentials",
];

#[test]
fn the_file_declares_what_was_created() {
    let world = World::with(Template::Dot341, "# No more.\n\n[cleanup]\n");
    user(&world.database, 7, "ops");
    let (_, output) = taken_out(world.run(&[&["--user", "7"], &CRON[..]].concat()).exits(0));
    assert_snapshot!("created_and_declared", output);
    assert_snapshot!("the_file_with_the_declaration", world.sandbox.read("oauth.toml"));
    world.sandbox.oauthctl(&["plan", "--detailed-exitcode", "--no-cleanup"]).exits(0);
}

#[test]
fn a_file_is_made_where_there_is_none() {
    let world = World::new(Template::Dot240);
    fs::remove_file(world.sandbox.path().join("oauth.toml")).unwrap();
    world.run(&["--write", "--client-id", "pub", "--client-secret", "x", "public", "password"]).exits(0);
    world.sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(0);
}

#[test]
fn what_the_file_has_already_is_refused_before_anything_is_created() {
    for (name, toml) in [
        ("declared_already", "[applications.cron]\n"),
        ("declared_as_removed", "[[removed]]\nclient_id = \"cron\"\n"),
        ("declared_as_renamed", "[[renamed]]\nfrom = \"cron\"\nto = \"x\"\n[applications.x]\n"),
    ] {
        let world = World::with(Template::Dot341, toml);
        assert_snapshot!(name, world.run(&CRON).exits(64));
        assert_eq!(world.database.value(format!("SELECT count(*) FROM {APPLICATIONS}")), "0");
    }
}

#[test]
fn a_file_that_cannot_be_written_is_an_error_and_the_row_is_there() {
    let world = World::new(Template::Dot341);
    // Even root cannot rename over it: the target of the link is in a directory that does not exist.
    let path = world.sandbox.path().join("oauth.toml");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("no/such/oauth.toml", &path).unwrap();
    let (_, output) = taken_out(world.run(&CRON).exits(1));
    assert_snapshot!(output);
    assert_eq!(world.database.value(format!("SELECT client_id FROM {APPLICATIONS}")), "cron");
}
