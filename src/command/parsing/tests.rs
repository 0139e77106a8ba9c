//! What help and completions offer, that the examples are commands, and the answers to words of other tools.

use clap::{ArgMatches, ValueEnum as _};
use clap_complete::Shell;
use strum::VariantArray as _;

use super::*;
use crate::command::Format;

fn built() -> Command {
    let mut command = command();
    command.build();
    command
}

fn help(verb: VerbName) -> String {
    let mut command = built();
    command.find_subcommand_mut(verb.name()).unwrap().render_long_help().to_string()
}

fn names(formats: &[Format]) -> Vec<String> {
    formats.iter().map(|format| format.to_possible_value().unwrap().get_name().to_owned()).collect()
}

fn completions(shell: Shell) -> String {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut command(), "oauthctl", &mut out);
    String::from_utf8(out).unwrap()
}

/// What bash offers behind an option of a verb.
fn bash_offers(completions: &str, verb: &str, option: &str) -> Vec<String> {
    let case = format!("oauthctl__subcmd__{})\n", verb.replace('-', "__subcmd__"));
    let part = completions.split(&case).nth(1).unwrap_or_else(|| panic!("no {verb}"));
    let words = part.split(&format!("{option})\n")).nth(1).unwrap_or_else(|| panic!("no {option}"));
    let words = words.split("compgen -W \"").nth(1).unwrap().split('"').next().unwrap();
    words.split_whitespace().map(str::to_owned).collect()
}

fn matches(words: &[&str]) -> Result<ArgMatches, clap::Error> {
    command().try_get_matches_from([&["oauthctl"], words].concat())
}

#[test]
fn help_shows_the_formats_of_the_verb() {
    for verb in VerbName::VARIANTS {
        let help = help(*verb);
        let values = help.split("--format <FORMAT>").nth(1).unwrap().split("[default").next().unwrap();
        let shown: Vec<String> = values
            .lines()
            .filter_map(|line| line.trim().strip_prefix("- ")?.split_once(':'))
            .map(|(name, _)| name.to_owned())
            .collect();
        assert_eq!(shown, names(verb.formats()), "{help}");
        assert!(!help.contains("` only"), "{help}");
    }
}

#[test]
fn completions_offer_the_formats_of_the_verb() {
    let bash = completions(Shell::Bash);
    for verb in VerbName::VARIANTS {
        assert_eq!(bash_offers(&bash, verb.name(), "--format"), names(verb.formats()), "{}", verb.name());
    }
    for shell in [Shell::Zsh, Shell::Fish, Shell::Elvish, Shell::PowerShell] {
        let text = completions(shell);
        // Elvish and PowerShell complete no values.
        let most = if matches!(shell, Shell::Zsh | Shell::Fish) { 2 } else { 0 };
        let offers = text.lines().filter(|line| line.contains("sarif") && line.contains("json")).count();
        assert!(offers <= most, "{shell}: {offers}");
    }
}

/// Before the verb, every format parses: the verb refuses what it does not have.
#[test]
fn formats_parse_before_and_behind_the_verb() {
    for verb in VerbName::VARIANTS {
        for format in Format::value_variants() {
            let name = format.to_possible_value().unwrap();
            let name = name.get_name();
            let rest: &[&str] = match verb {
                VerbName::Show | VerbName::RotateSecret => &["web"],
                VerbName::Createapplication => &["public", "implicit"],
                VerbName::Migrate => &["--ledger"],
                VerbName::Completions => &["bash"],
                VerbName::ShowPlan => &["oauth.plan"],
                VerbName::Undo => &["12"],
                VerbName::Init
                | VerbName::Validate
                | VerbName::Plan
                | VerbName::Apply
                | VerbName::Import
                | VerbName::List
                | VerbName::Cleartokens
                | VerbName::HashSecret
                | VerbName::Status
                | VerbName::History
                | VerbName::Doctor
                | VerbName::Schema
                | VerbName::Man
                | VerbName::Version => &[],
            };
            for words in [
                [&["--format", name, verb.name()], rest].concat(),
                [&[verb.name()], rest, &["--format", name]].concat(),
            ] {
                let cli = Cli::from_arg_matches(&matches(&words).unwrap()).unwrap();
                assert_eq!(cli.global.format, *format, "{words:?}");
                let allowed = verb.formats().contains(format);
                assert_eq!(format::check(cli.verb.name(), *format).is_ok(), allowed, "{words:?}");
            }
        }
    }
    let unknown = matches(&["plan", "--format", "xml"]).unwrap_err().to_string();
    assert!(unknown.contains("[possible values: text, json, markdown, html]"), "{unknown}");
    let cli =
        Cli::from_arg_matches(&matches(&["--format", "json", "plan", "--format", "text"]).unwrap()).unwrap();
    assert_eq!(cli.global.format, Format::Text);
}

#[test]
fn values_complete() {
    let bash = completions(Shell::Bash);
    for (verb, option, offered) in [
        ("cleartokens", "--only", "revoked orphaned expired access id grants par device cimd dcr"),
        ("cleartokens", "--skip", "revoked orphaned expired access id grants par device cimd dcr"),
        ("cleartokens", "--strategy", "batches rewrite"),
        ("cleartokens", "--fk-checks", "triggers set auto"),
        ("cleartokens", "--allow", "fk-checks=set rewrite"),
        ("createapplication", "--algorithm", "RS256 HS256"),
        ("list", "--client-type", "confidential public"),
        ("import", "--registration-source", "manual dcr cimd all"),
        ("doctor", "--for", "plan plan-without-secrets apply createapplication rotate-secret cleartokens"),
    ] {
        assert_eq!(bash_offers(&bash, verb, option).join(" "), offered, "{verb} {option}");
    }
    let options = bash.split("oauthctl__subcmd__createapplication)\n").nth(1).unwrap();
    let options = options.split("opts=\"").nth(1).unwrap().split('"').next().unwrap();
    for value in ["confidential", "public", "authorization-code", "client-credentials", "bash"] {
        let is_offered = options.split_whitespace().any(|word| word == value);
        assert_eq!(is_offered, value != "bash", "{value}: {options}");
    }
    assert!(bash_offers(&bash, "list", "--grant-type").contains(&"client-credentials".to_owned()));
}

/// DOT's own error is shown for what DOT does not know.
#[test]
fn createapplication_takes_any_text() {
    assert!(matches(&["createapplication", "bogus", "", "--algorithm", "none"]).is_ok());
    assert!(matches(&["list", "--client-type", "of-our-own"]).is_ok());
    assert!(
        matches(&["cleartokens", "--only", "bogus"]).unwrap_err().to_string().contains("no such category")
    );
}

/// The words of a shell command: quotes are taken away; a comment, a pipe and redirections end it.
fn shell_words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in line.chars() {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            ('|' | '<' | '>' | '#', None) => break,
            (' ', None) => words.extend((!word.is_empty()).then(|| std::mem::take(&mut word))),
            (c, _) => word.push(c),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

#[test]
fn every_example_is_a_command() {
    let command = built();
    for verb in VerbName::VARIANTS {
        let help = command.find_subcommand(verb.name()).unwrap().get_after_help().unwrap().to_string();
        let text = help.strip_prefix("Examples:\n").unwrap().replace("\\\n", "");
        let mut count = 0;
        for line in text.lines() {
            let start = line.find("oauthctl").unwrap_or_else(|| panic!("{line}"));
            let words = shell_words(&line[start..]);
            let parsed =
                parse(words.iter().map(OsString::from)).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(parsed.verb.name(), *verb, "{line}");
            assert!(format::check(parsed.verb.name(), parsed.global.format).is_ok(), "{line}");
            count += 1;
        }
        assert!((2..=4).contains(&count), "{help}");
        assert!(help.lines().all(|line| line.len() <= 79), "{help}");
    }
}

#[test]
fn words_of_other_tools_are_answered() {
    for (line, answer) in [
        ("diff", "oauthctl plan"),
        ("export", "oauthctl import --all"),
        ("cleanup", "oauthctl cleartokens"),
        ("destroy web", "[[removed]]"),
        ("apply --dry-run", "oauthctl plan"),
        ("-f other.toml apply --no-cleanup --dry-run", "oauthctl plan"),
        ("apply --auto-approve", "--yes"),
        ("apply -auto-approve", "--yes"),
        ("plan --dry-run", "changes nothing"),
        ("cleartokens --yes", "never asks"),
        ("status --json", "--format json"),
        ("--format json list --output x", "--format json"),
    ] {
        let words = ["oauthctl"].into_iter().chain(line.split(' ')).map(OsString::from);
        let error = parse(words).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("  tip: ") && text.contains(answer), "{line}: {text}");
        assert!(error.use_stderr() && text.contains("Usage: "), "{line}: {text}");
    }
    for line in ["frobnicate", "apply --zyx", "import --dry-run --yes"] {
        let words = ["oauthctl"].into_iter().chain(line.split(' ')).map(OsString::from);
        let text = parse(words).unwrap_err().to_string();
        assert!(!text.contains("tip: `"), "{line}: {text}");
    }
}
