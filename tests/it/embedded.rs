//! The embedded server: as whom, where, how many at once, and what is left when somebody is killed.

use oauthctl::embedded::SUPERVISE;

use crate::support::Sandbox;

#[test]
fn a_supervisor_that_is_told_nonsense_ends() {
    let output = Sandbox::new().oauthctl(&[SUPERVISE, "for-ever", "/bin", "/"]).exits(1);
    assert_eq!(output.to_string(), "exit: 1\n--- stdout\n--- stderr\n");
}
