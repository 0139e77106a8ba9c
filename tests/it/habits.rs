//! What people type out of habit: each is answered with the verb or the flag that does it here.

use insta::assert_snapshot;

use super::support::Sandbox;

/// Of Terraform, of octoDNS and of manage.py.
const TYPED: [&[&str]; 24] = [
    &["diff"],
    &["sync", "--doit"],
    &["destroy"],
    &["destroy", "-auto-approve"],
    &["fmt"],
    &["fmt", "-check"],
    &["refresh"],
    &["state", "list"],
    &["clear_tokens"],
    &["create_application", "confidential", "client-credentials"],
    &["apply", "--dry-run"],
    &["apply", "--auto-approve"],
    &["apply", "-auto-approve"],
    &["apply", "--doit"],
    &["apply", "--noinput"],
    &["apply", "--no-input"],
    &["apply", "oauth.plan", "-auto-approve"],
    &["plan", "--doit"],
    &["plan", "--dry-run"],
    &["rollback"],
    &["log"],
    &["rotate-secret", "web", "--noinput"],
    &["cleartokens", "--noinput"],
    &["cleartokens", "--yes"],
];

#[test]
fn habits_are_answered() {
    let sandbox = Sandbox::new();
    let mut shown = String::new();
    for words in TYPED {
        let output = sandbox.oauthctl(words).exits(64);
        assert_eq!(output.stdout, "", "{words:?}");
        let tips: Vec<&str> = output.stderr.lines().filter(|line| line.starts_with("  tip: ")).collect();
        assert_eq!(tips.len(), 1, "{words:?}: {output}");
        shown.push_str(&format!("$ oauthctl {}\n{}\n", words.join(" "), tips[0]));
    }
    assert_snapshot!("habits", shown);
    let whole = sandbox.oauthctl(&["apply", "-auto-approve"]).exits(64);
    assert_snapshot!("a_habit", whole);
}
