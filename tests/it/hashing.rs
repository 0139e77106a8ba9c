//! Many declared secrets: a line that counts on a terminal, silence elsewhere, and an end when a signal comes.

use std::fmt::Write as _;
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::support::database::Template;
use super::support::terminal::run_in_terminal;
use super::support::{Database, Sandbox};

const SECRETS: usize = 2;

/// With so many, one secret takes longer than it takes until a count is shown, whatever the machine.
const SLOW: u32 = 3_000_000;

/// So many applications with secrets that take a moment each.
fn world(iterations: u32) -> (Database, Sandbox) {
    let database = Database::create(Template::Dot341);
    let mut sandbox = Sandbox::with(&database);
    sandbox.set("TERM", "xterm-256color");
    let mut toml = format!("[provider]\nclient_secret_iterations = {iterations}\n");
    for n in 0..SECRETS {
        sandbox.write(&format!("{n}.txt"), format!("the secret of client {n}"));
        let _ = writeln!(
            toml,
            "[applications.client-{n}]\nclient_type = \"confidential\"\n\
             authorization_grant_type = \"client-credentials\"\nclient_secret = {{ file = \"{n}.txt\" }}"
        );
    }
    sandbox.write("oauth.toml", toml);
    (database, sandbox)
}

#[test]
fn hashing_and_verifying_count_on_a_terminal_and_nowhere_else() {
    let (_database, sandbox) = world(SLOW);
    let (status, seen) = run_in_terminal(sandbox.command(&["apply", "--yes"]).into_command(), 60);
    assert!(status.success(), "{seen}");
    assert!(seen.contains("Hashing secrets: ") && seen.contains(&format!(" of {SECRETS}")), "{seen:?}");
    // What has just been hashed is not verified again after the commit.
    assert!(!seen.contains("Verifying"), "{seen:?}");
    assert!(seen.contains(&format!("{SECRETS} created")), "{seen:?}");

    let (status, seen) =
        run_in_terminal(sandbox.command(&["plan", "--detailed-exitcode"]).into_command(), 60);
    assert!(status.success() && seen.contains("Verifying secrets: "), "{seen:?}");
    let (_, seen) = run_in_terminal(sandbox.command(&["plan", "--quiet"]).into_command(), 60);
    assert!(!seen.contains("Verifying"), "{seen:?}");
    let piped = sandbox.oauthctl(&["plan"]).exits(0);
    assert_eq!(piped.stderr, "");
}

#[test]
fn a_signal_ends_what_takes_long() {
    let (database, sandbox) = world(1);
    sandbox.oauthctl(&["apply", "--yes"]).exits(0);
    let slow = "'pbkdf2_sha256$10000000$salt$fUeF88U6jACxTcz+0g4E0LA6RKHP32pua2Q3m+bnf2s='";
    database.execute(format!("UPDATE oauth2_provider_application SET client_secret = {slow}"));
    let running = sandbox.command(&["plan"]).spawn();
    // It has read the rows, and has not asked the database for anything since.
    let verifying = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'oauthctl plan' \
                     AND state LIKE 'idle%' AND clock_timestamp() - state_change > interval '300 ms' \
                     AND datname = current_database()";
    while database.value(verifying) == "0" {
        sleep(Duration::from_millis(50));
    }
    running.signal(Signal::SIGINT);
    let output = running.wait().exits(130);
    assert!(output.stderr.contains("error: interrupted\n"), "{output}");
}
