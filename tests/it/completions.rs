//! The completions of the shells know the client ids of the file, read no database, and are silent where they know nothing.

use std::process::{Command, Stdio};

use super::support::{Sandbox, binary, environment};

const FILE: &str = "[applications.web]\nnmae = \"not valid\"\n[applications.batch]\nclient_id = \"my batch\"\n\
                    [[removed]]\nclient_id = \"$(touch made)\"\n";

/// What bash offers for the last of these words.
fn offered(sandbox: &Sandbox, words: &[&str]) -> Vec<String> {
    sandbox.write("completions", sandbox.oauthctl(&["completions", "bash"]).exits(0).stdout);
    let complete = "source ./completions; COMP_WORDS=(\"$0\" \"$@\"); COMP_CWORD=$#; COMPREPLY=()
        _oauthctl_or_client_ids \"$0\" \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD - 1]}\"
        printf '%s\\n' \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    bash.args(["-c", complete]).arg(binary()).args(words).current_dir(sandbox.path()).env_clear();
    bash.env("PATH", environment("PATH").unwrap_or_default()).stdin(Stdio::null());
    let output = bash.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{words:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_client_ids() {
    let sandbox = Sandbox::new();
    sandbox.write("oauth.toml", FILE);
    sandbox.write("conf/other.toml", "[applications.other]\n");
    let all = [r"\$\(touch\ made\)", r"my\ batch", "web"];
    for words in [
        &["plan", "--target", ""][..],
        &["show", ""],
        &["rotate-secret", ""],
        &["cleartokens", "--exclude-client", ""],
    ] {
        assert_eq!(offered(&sandbox, words), all, "{words:?}");
    }
    assert_eq!(offered(&sandbox, &["apply", "--target", "w"]), ["web"]);
    for words in
        [&["-f", "conf/other.toml", "show", ""][..], &["plan", "--file=conf/other.toml", "--target", ""]]
    {
        assert_eq!(offered(&sandbox, words), ["other"], "{words:?}");
    }
    // No text of the file is a command.
    assert!(!sandbox.path().join("made").exists());
    // Flags and verbs as ever.
    assert_eq!(offered(&sandbox, &["rotate"]), ["rotate-secret"]);
    assert!(offered(&sandbox, &["show", "--for"]).contains(&"--format".to_owned()));
    // Without a file that can be read there is nothing to offer, and nothing to say.
    for text in ["[applications", "\u{0}"] {
        sandbox.write("oauth.toml", text);
        assert_eq!(offered(&sandbox, &["show", ""]), [""]);
    }
    assert_eq!(offered(&sandbox, &["-f", "nowhere.toml", "show", ""]), [""]);
}

/// There is neither zsh nor fish on every machine; the places at which their scripts call the verb.
#[test]
fn other_shells_ask_too() {
    let sandbox = Sandbox::new();
    let script = |shell: &str| sandbox.oauthctl(&["completions", shell]).exits(0).stdout;
    let zsh = script("zsh");
    assert_eq!(zsh.matches("\n_oauthctl_client_ids() {").count(), 1, "{zsh}");
    for place in ["*--target=[", "*--exclude-client=["] {
        let lines: Vec<&str> = zsh.lines().filter(|line| line.contains(place)).collect();
        assert!(
            !lines.is_empty() && lines.iter().all(|line| line.contains(":CLIENT_ID:_oauthctl_client_ids'")),
            "{lines:?}"
        );
    }
    let positional = |line: &&str| line.contains("client_id -- ") && line.contains(":_oauthctl_client_ids'");
    assert!(zsh.lines().filter(positional).count() >= 2, "{zsh}");
    let fish = script("fish");
    for place in [" plan\" -l target -x", " apply\" -l target -x", " show\" -f", " rotate-secret\" -f"] {
        let line = format!("using_subcommand{place} -a \"(__oauthctl_client_ids)\"\n");
        assert!(fish.contains(&line), "{line}{fish}");
    }
}
