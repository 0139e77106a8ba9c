//! SIGHUP, SIGINT and SIGTERM, sent for real: what is left behind, what is ignored, and what a late cancel request may not
//! hit.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Command, Stdio};

use nix::fcntl::OFlag;
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::apply_failures::{Holder, wait_for};
use super::support::rows::application;
use super::support::{Database, Sandbox, Template};

const SIGNALS: [(Signal, i32); 3] = [(Signal::SIGHUP, 129), (Signal::SIGINT, 130), (Signal::SIGTERM, 143)];

const FILE: &str = r#"
[applications.new]
client_type = "confidential"
authorization_grant_type = "client-credentials"
"#;

const APPLY: &[&str] = &["apply", "--yes", "--secrets-out", "secrets.json", "--lock-timeout", "10m"];
const ROTATE: &[&str] =
    &["rotate-secret", "old", "--yes", "--secrets-out", "secrets.json", "--lock-timeout", "10m"];

fn world() -> (Database, Sandbox) {
    let database = Database::create(Template::Dot341);
    application(&database, 100, "old", &json!({ "client_secret": "before" }));
    let sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", FILE);
    sandbox.oauthctl(&["migrate", "--ledger"]).exits(0);
    (database, sandbox)
}

/// A lock that the write waits for, and the plan does not.
fn hold(database: &Database) -> Holder {
    Holder::new(database, "LOCK oauth2_provider_application IN SHARE MODE")
}

fn wait_for_lock(database: &Database) {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    wait_for(database, waiting);
}

fn applications(database: &Database) -> String {
    database.table("SELECT client_id, client_secret FROM oauth2_provider_application ORDER BY 1")
}

/// Neither a secret that was never stored, nor a run without an end.
#[test]
fn every_signal_takes_the_secrets_back_and_ends_the_run() {
    let (database, sandbox) = world();
    let before = applications(&database);
    for arguments in [APPLY, ROTATE] {
        for (signal, code) in SIGNALS {
            let holder = hold(&database);
            let running = sandbox.command(arguments).spawn();
            wait_for_lock(&database);
            assert!(sandbox.path().join("secrets.json").exists());
            running.signal(signal);
            let output = running.wait().exits(code);
            drop(holder);
            assert!(output.stderr.contains("interrupted; the changes were rolled back"), "{output}");
            assert!(!output.stderr.contains("noting the end"), "{output}");
            assert!(!sandbox.path().join("secrets.json").exists(), "{output}");
            assert_eq!(applications(&database), before);
        }
    }
    assert_eq!(database.value("SELECT count(*) FROM oauthctl.run"), "6");
    assert_eq!(database.value("SELECT count(*) FROM oauthctl.run WHERE outcome = 'interrupted'"), "6");
}

/// A role that may have three sessions at a time: the cancelled ones are closed, and the last note finds room.
#[test]
fn the_end_is_noted_where_sessions_are_few() {
    let (database, mut sandbox) = world();
    let role = format!("{}_few", database.name());
    database.execute(format!(
        "CREATE ROLE {role} LOGIN CONNECTION LIMIT 3; GRANT USAGE ON SCHEMA oauthctl TO {role}; \
         GRANT ALL ON ALL TABLES IN SCHEMA public, oauthctl TO {role}; \
         GRANT ALL ON ALL SEQUENCES IN SCHEMA public, oauthctl TO {role}"
    ));
    sandbox.set("PGUSER", &role);
    let holder = hold(&database);
    let running = sandbox.command(APPLY).spawn();
    wait_for_lock(&database);
    running.signal(Signal::SIGTERM);
    let output = running.wait().exits(143);
    drop(holder);
    assert!(!output.stderr.contains("warning"), "{output}");
    assert_eq!(database.value("SELECT count(*) FROM oauthctl.run WHERE outcome = 'interrupted'"), "1");
    database.execute(format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

/// As `nohup` does with SIGHUP, and a shell with the SIGINT of what it runs in the background.
#[test]
fn ignored_signals_stay_ignored() {
    for (signal, name) in [(Signal::SIGHUP, "HUP"), (Signal::SIGINT, "INT"), (Signal::SIGTERM, "TERM")] {
        let (database, sandbox) = world();
        let holder = hold(&database);
        let child = ignoring(&sandbox, name).spawn().unwrap();
        wait_for_lock(&database);
        kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
        drop(holder);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(sandbox.read("secrets.json").contains("new"));
    }
}

#[test]
fn under_nohup_the_run_goes_on() {
    let (database, sandbox) = world();
    let holder = hold(&database);
    let program = sandbox.command(APPLY).into_command();
    let mut nohup = Command::new("nohup");
    nohup.arg(program.get_program());
    let child = like(&program, &mut nohup).spawn().unwrap();
    wait_for_lock(&database);
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGHUP).unwrap();
    drop(holder);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

fn ignoring(sandbox: &Sandbox, signal: &str) -> Command {
    let program = sandbox.command(APPLY).into_command();
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("trap '' {signal}; exec \"$0\" \"$@\"")]).arg(program.get_program());
    like(&program, &mut shell);
    shell
}

/// Gives a wrapper the arguments, the environment and the directory of the program.
fn like<'a>(program: &Command, wrapper: &'a mut Command) -> &'a mut Command {
    wrapper.args(program.get_args()).env_clear().current_dir(program.get_current_dir().unwrap());
    wrapper.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    wrapper.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped())
}

/// Closes the terminal of a run, as a lost `ssh -t` does, once `ready` says so.
///
/// No other process may hold the terminal's other side open, so it is closed on exec from the start.
#[cfg(target_os = "linux")]
fn hang_up(sandbox: &Sandbox, arguments: &[&str], ready: impl FnOnce(&mut PtyMaster)) -> Option<i32> {
    let mut master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let mut slave = File::options();
    slave.read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits());
    let slave = slave.open(ptsname_r(&master).unwrap()).unwrap();
    let program = sandbox.command(arguments).into_command();
    // It becomes the leader of a session that has this terminal.
    let mut setsid = Command::new("setsid");
    setsid.arg("--ctty").arg(program.get_program());
    like(&program, &mut setsid);
    let stream = || slave.try_clone().unwrap();
    let mut child = setsid.stdin(stream()).stdout(stream()).stderr(stream()).spawn().unwrap();
    drop((setsid, slave));
    ready(&mut master);
    drop(master);
    child.wait().unwrap().code()
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_that_is_closed_ends_the_run() {
    let (database, sandbox) = world();
    let before = applications(&database);
    let holder = hold(&database);
    let code = hang_up(&sandbox, APPLY, |_| wait_for_lock(&database));
    drop(holder);
    assert_eq!(code, Some(129));
    assert!(!sandbox.path().join("secrets.json").exists());
    assert_eq!(applications(&database), before);
    assert_eq!(database.value("SELECT count(*) FROM oauthctl.run WHERE outcome = 'interrupted'"), "1");
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_that_is_closed_is_no_answer() {
    use std::io::Read as _;
    let (database, sandbox) = world();
    let before = applications(&database);
    let asked = |terminal: &mut PtyMaster| {
        let (mut shown, mut byte) = (Vec::new(), [0]);
        while !String::from_utf8_lossy(&shown).contains("to continue:") {
            terminal.read_exact(&mut byte).unwrap();
            shown.push(byte[0]);
        }
    };
    assert_eq!(hang_up(&sandbox, &["apply"], asked), Some(129));
    assert_eq!(applications(&database), before);
}
