//! What this machine forbids is reported by name, and is no failure.

use std::fs::OpenOptions;
use std::io::Write;

use super::environment;

/// `tests/run` names a file here, and prints its lines when every test has ended.
const REPORT: &str = "OAUTHCTL_TEST_NOT_RUN";

/// Reports that a test cannot run on this machine. Return from the test afterwards.
///
/// Only for what the machine forbids, such as user namespaces, or what its PostgreSQL is too old for. A program that can
/// be installed is no such thing: where it is missing, the test fails and says what to install.
pub fn not_run(test: &str, reason: &str) {
    let line = format!("{test} ({reason})\n");
    match environment(REPORT) {
        Some(path) => {
            let mut report = OpenOptions::new().create(true).append(true).open(path).unwrap();
            // One call, so that tests that end at the same time do not mix their lines.
            report.write_all(line.as_bytes()).unwrap();
        }
        // Not `eprint!`, which the test harness hides.
        None => write!(std::io::stderr(), "not run: {line}").unwrap(),
    }
}
