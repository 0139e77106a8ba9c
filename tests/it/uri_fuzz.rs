//! The validators of `rules` against the real ones, on generated URIs.

use std::process::Command;

use crate::support::dot;

#[test]
fn the_peer_is_the_version_that_the_rules_were_written_for() {
    let program = "import oauth2_provider, django; print(oauth2_provider.__version__, django.VERSION[:2])";
    let output = Command::new(dot::dot_python()).args(["-c", program]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "3.4.1 (5, 2)");
}
