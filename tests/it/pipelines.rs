//! The pipelines of `examples/`, played from end to end: the scripts run as their runner runs them, against a real
//! database and a forge on loopback. `tests/pipelines` checks the files with the tools of their systems.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::support::forge::{BOT, Forge, TOKEN};
use super::support::rows::application;
use super::support::{Database, Sandbox, Template, binary, environment};

const FILE: &str = "[applications.web]\nname = \"Shop\"\n";

/// A file of `examples/`.
fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(path)
}

/// What a script did: its exit status, stdout and stderr.
type Ran = (i32, String, String);

/// A job: a checkout with the file, and `oauthctl` on the path.
struct Job {
    sandbox: Sandbox,
    database: Database,
    forge: Forge,
    path: String,
}

impl Job {
    fn new() -> Self {
        for program in ["curl", "jq"] {
            let found = Command::new(program).arg("--version").stdout(Stdio::null()).status();
            assert!(found.is_ok(), "the pipelines need {program}: sh tests/setup forge");
        }
        let database = Database::create(Template::Dot341);
        application(&database, 1, "web", &json!({ "name": "Shop" }));
        let sandbox = Sandbox::with(&database);
        sandbox.write("oauth.toml", FILE);
        sandbox.write("bin/.keep", "");
        symlink(binary(), sandbox.path().join("bin/oauthctl")).unwrap();
        let path = format!(
            "{}:{}",
            sandbox.path().join("bin").display(),
            environment("PATH").unwrap_or_default().display()
        );
        Self { sandbox, database, forge: Forge::start(), path }
    }

    /// Runs a program in the checkout, with the variables of the job and these.
    fn run(
        &self,
        program: impl AsRef<std::ffi::OsStr>,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Ran {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.sandbox.path()).env_clear().stdin(Stdio::null());
        command.env("PATH", &self.path).env("HOME", self.sandbox.path()).env("LC_ALL", "C.UTF-8");
        command.envs(self.database.variables()).envs(variables.iter().copied());
        let output = command.output().expect("the script runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// The action's script.
    fn github(&self, command: &str, more: &[(&str, &str)]) -> Ran {
        let forge = self.forge.url();
        let mut variables = vec![
            ("COMMAND", command),
            ("FILE", "oauth.toml"),
            ("LABEL", "production"),
            ("GITHUB_API_URL", forge.as_str()),
            ("GITHUB_REPOSITORY", "shop/oauth"),
            ("GITHUB_OUTPUT", "output"),
            ("GITHUB_STEP_SUMMARY", "summary.md"),
            ("GH_TOKEN", TOKEN),
        ];
        variables.extend(more);
        self.run(example("github/run.sh"), &[], &variables)
    }

    fn comment(&self) -> String {
        let of_the_bot = self.forge.comments().into_iter().filter(|comment| comment.author == BOT);
        let bodies: Vec<String> = of_the_bot.map(|comment| comment.body).collect();
        let [body] = bodies.as_slice() else { panic!("{bodies:?}") };
        body.clone()
    }

    fn name(&self) -> String {
        self.database.value("SELECT name FROM oauth2_provider_application WHERE client_id = 'web'")
    }
}

const PULL_REQUEST: [(&str, &str); 1] = [("NUMBER", "7")];

/// From the pull request to the change, with somebody else's comments between.
#[test]
fn a_pull_request_on_github() {
    let job = Job::new();
    // Anybody can write the marker; and there are more comments than a page has.
    for number in 0..120 {
        job.forge.add("drive-by", &format!("<!-- oauthctl plan: oauth.toml (production) -->\n{number}"));
    }
    job.sandbox.write("oauth.toml", FILE.replace("Shop", "Web shop"));
    let (status, _, stderr) = job.github("plan", &PULL_REQUEST);
    assert_eq!(status, 0, "{stderr}");
    let first = job.comment();
    assert!(
        first.contains("### oauth.toml (production): 1 to update") && first.contains("Web shop"),
        "{first}"
    );
    let output = job.sandbox.read("output");
    assert!(
        output.starts_with("changes=true\nrefused=false\n") && output.contains("\nupdate=1\n"),
        "{output}"
    );
    let summary = job.sandbox.read("summary.md");
    assert!(
        summary.contains("oauth.toml (production): 1 to update") && summary.contains("Web shop"),
        "{summary}"
    );

    // The next push replaces the comment, also by one that says that the plan failed.
    job.sandbox.write("oauth.toml", "[applications.web]\nnmae = \"Web shop\"\n");
    let (status, _, stderr) = job.github("plan", &PULL_REQUEST);
    assert_eq!(status, 64, "{stderr}");
    assert!(job.comment().contains("**the plan failed**"), "{}", job.comment());
    assert!(job.sandbox.read("summary.md").contains("**the plan failed**"));
    job.sandbox.write("oauth.toml", FILE.replace("Shop", "The shop"));
    assert_eq!(job.github("plan", &PULL_REQUEST).0, 0);
    assert!(job.comment().contains("The shop"), "{}", job.comment());
    assert!(job.forge.comments().iter().take(120).all(|comment| comment.author == "drive-by"));

    // What was reviewed is applied, or nothing.
    job.database.execute("UPDATE oauth2_provider_application SET name = 'Elsewhere' WHERE client_id = 'web'");
    let (status, _, stderr) = job.github("apply", &[("PLAN", "oauth.plan")]);
    assert_eq!((status, job.name().as_str()), (4, "Elsewhere"), "{stderr}");
    // Programs of the file run if they are asked for, and know the environment.
    let hook = "[[hooks]]\nafter_apply = [\"sh\", \"-c\", \"cat > told.json\"]\n";
    job.sandbox.write("oauth.toml", FILE.replace("Shop", "The shop") + hook);
    assert_eq!(job.github("plan", &[]).0, 0);
    let (status, _, stderr) = job.github("apply", &[("PLAN", "oauth.plan")]);
    assert_eq!((status, job.name().as_str()), (0, "The shop"), "{stderr}");
    assert!(!job.sandbox.path().join("told.json").exists());
    job.database.execute("UPDATE oauth2_provider_application SET name = 'Elsewhere' WHERE client_id = 'web'");
    assert_eq!(job.github("plan", &[]).0, 0);
    assert_eq!(job.github("apply", &[("PLAN", "oauth.plan"), ("HOOKS", "true")]).0, 0);
    assert!(job.sandbox.read("told.json").contains("\"label\": \"production\""));
}

#[test]
fn every_night_on_github() {
    let job = Job::new();
    assert_eq!(job.github("drift", &[]).0, 0);
    job.database.execute("UPDATE oauth2_provider_application SET name = 'Elsewhere'");
    let (status, stdout, _) = job.github("drift", &[]);
    assert_eq!(status, 1);
    assert!(stdout.contains("\n::error::The database differs from oauth.toml"), "{stdout}");
    let (status, stdout, stderr) = job.github("cleanup", &[]);
    assert_eq!(status, 0, "{stderr}");
    assert!(stdout.contains("nothing"), "{stdout}");
    assert_eq!(job.github("deploy", &[]).0, 64);
}

/// The lines of a job's `script`.
fn script(text: &str, job: &str) -> String {
    let (_, rest) = text.split_once(&format!("\n{job}:\n")).expect("the job");
    let (_, rest) = rest.split_once("\n  script:\n").expect("a script");
    let lines = rest.lines().take_while(|line| line.starts_with("    ")).map(str::trim);
    let mut script: Vec<String> = Vec::new();
    for line in lines.filter(|line| !line.starts_with('#')) {
        match (line.strip_prefix("- "), script.last_mut()) {
            // A folded scalar: its lines are one.
            (Some(">-"), _) => script.push(String::new()),
            (Some(line), _) => script.push(line.to_owned()),
            (None, Some(folded)) => *folded += &format!("{line} "),
            (None, None) => panic!("{line}"),
        }
    }
    script.join("\n")
}

#[test]
fn a_merge_request_on_gitlab() {
    let job = Job::new();
    let text = fs::read_to_string(example("gitlab/oauthctl.yml")).unwrap();
    job.sandbox.write("ci/.keep", "");
    symlink(example("gitlab"), job.sandbox.path().join("ci/gitlab")).unwrap();
    let (forge, url) = (job.forge.url(), job.database.url());
    let run = |name: &str| {
        let variables = [
            ("CI_API_V4_URL", forge.as_str()),
            ("CI_PROJECT_ID", "1"),
            ("CI_MERGE_REQUEST_IID", "7"),
            ("COMMENT_TOKEN", TOKEN),
            ("PLANNER_URL", &url),
            ("APPLIER_URL", &url),
            ("CLEANER_URL", &url),
            ("OAUTHCTL_LABEL", "production"),
            ("OAUTHCTL_HOOKS", "yes"),
        ];
        job.run("sh", &["-euc", &script(&text, name)], &variables)
    };
    job.forge.add("drive-by", "<!-- oauthctl plan: oauth.toml (production) -->\n");
    // A file with problems is reported beside its lines.
    job.sandbox.write("oauth.toml", "[applications.web]\nnmae = \"Web shop\"\n");
    let (status, _, stderr) = run("oauthctl plan");
    assert_eq!(status, 64, "{stderr}");
    let report: Value = serde_json::from_str(&job.sandbox.read("codequality.json")).unwrap();
    assert_eq!(report[0]["location"]["lines"]["begin"], 2, "{report}");
    let hook = "[[hooks]]\nafter_apply = [\"sh\", \"-c\", \"cat > told.json\"]\n";
    job.sandbox.write("oauth.toml", FILE.replace("Shop", "Web shop") + hook);
    for _ in 0..2 {
        let (status, _, stderr) = run("oauthctl plan");
        assert_eq!(status, 0, "{stderr}");
        assert!(job.comment().contains("Web shop"), "{}", job.comment());
    }
    let widget: Value = serde_json::from_str(&job.sandbox.read("terraform.json")).unwrap();
    assert_eq!(widget, json!({ "create": 0, "update": 1, "delete": 0 }));
    assert_eq!(serde_json::from_str::<Value>(&job.sandbox.read("codequality.json")).unwrap(), json!([]));
    assert_eq!(run("oauthctl apply").0, 0);
    assert_eq!(job.name(), "Web shop");
    assert!(job.sandbox.read("told.json").contains("\"label\": \"production\""));
    assert_eq!(run("oauthctl nightly").0, 0);
    job.database.execute("UPDATE oauth2_provider_application SET name = 'Elsewhere'");
    assert_eq!(run("oauthctl nightly").0, 2);
}

/// A container that starts before the database answers, and one that does its work.
#[test]
fn a_container_that_starts() {
    let job = Job::new();
    job.sandbox.write("oauth.toml", FILE.replace("Shop", "Web shop"));
    let run = |more: &[(&str, &str)]| job.run(example("init/init.sh"), &[], more);
    let (status, _, stderr) = run(&[("PGHOST", "/nowhere"), ("TRIES", "2"), ("PAUSE", "0")]);
    assert_eq!((status, stderr.matches("error:").count()), (5, 2), "{stderr}");
    assert_eq!(run(&[]).0, 0);
    assert_eq!(job.name(), "Web shop");
    job.sandbox.write("oauth.toml", "[aplications]\n");
    let (status, _, stderr) = run(&[]);
    assert_eq!((status, stderr.matches("error: ").count()), (64, 1), "{stderr}");
}

/// The commands that the other files run are commands that there are, and do what they are there for.
#[test]
fn commands_in_files_work() {
    let job = Job::new();
    let path = job.sandbox.path().join("oauth.toml").display().to_string();
    let list = |line: &str| -> Vec<String> {
        let inside = line.trim().trim_start_matches("args:").trim_start_matches("command:").trim();
        let inside = inside.trim_start_matches("argv:").trim();
        inside.trim_matches(['[', ']']).split(", ").map(|word| word.trim_matches('"').to_owned()).collect()
    };
    let lines = |file: &str, prefix: &str| -> Vec<String> {
        let text = fs::read_to_string(example(file)).unwrap();
        let found = text.lines().filter(|line| line.trim().starts_with(prefix)).map(str::to_owned);
        found.collect()
    };
    let mut commands = Vec::new();
    for (file, prefix) in [
        ("kubernetes/cleartokens.yaml", "args:"),
        ("kubernetes/apply.yaml", "args:"),
        ("compose/compose.yaml", "command:"),
        ("ansible/oauthctl.yml", "argv:"),
    ] {
        let found = lines(file, prefix);
        assert!(!found.is_empty(), "{file}");
        commands.extend(found.iter().map(|line| list(line)));
    }
    let unit = lines("systemd/oauthctl-cleartokens.service", "ExecStart=");
    commands.extend(unit.iter().map(|line| line.split(' ').skip(1).map(str::to_owned).collect()));
    assert_eq!(commands.len(), 6);
    for command in commands {
        let mut words: Vec<&str> =
            command.iter().map(String::as_str).filter(|word| *word != "oauthctl").collect();
        for word in &mut words {
            if word.starts_with("/etc/oauthctl/") || word.starts_with("{{") {
                *word = &path;
            }
        }
        job.sandbox.oauthctl(&words).exits(0);
    }
}
