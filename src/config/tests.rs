//! The file as a whole: what it means, what is wrong with it, and what must hold of any file.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::model::{
    Attribute, Category, ClientId, ColumnValue, Field, Limit, Moment, Named, Prune, SecretDeclaration,
    TableRole, UserRef,
};

mod agreement;
mod any_file;
mod pace;
mod references;
mod secrecy;

const FULL: &str = include_str!("tests/full.toml");

/// Loads with these environment variables.
fn load_with(text: &str, variables: &[(&str, &str)], presence: Presence) -> Result<Config, Box<Rejected>> {
    let variable = |name: &str| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
    };
    let around = Surroundings { variable: &variable, file: &read_file };
    let (bytes, path) = (text.as_bytes().to_vec(), Path::new("oauth.toml"));
    let in_pieces = load_in(Sizes { whole: 0, piece: 1 }, bytes.clone(), path, around, presence);
    let whole = load(bytes, path, around, presence);
    assert_eq!(outcome(&in_pieces), outcome(&whole), "{text}");
    whole
}

/// All that is known of a file after it was read.
fn outcome(loaded: &Result<Config, Box<Rejected>>) -> String {
    match loaded {
        Ok(config) => {
            let Config { source, problems, files, places, .. } = config;
            format!("{}\n{}\n{problems:#?}\n{files:?}\n{places:#?}", meaning(config), source.legible())
        }
        Err(rejected) => {
            let Rejected { source, problems, flawed } = &**rejected;
            format!("{}\n{problems:#?}\n{:?}", source.legible(), flawed.as_ref().map(meaning))
        }
    }
}

/// Files like this one are read in pieces, and not only in tests.
#[test]
fn a_large_file_is_read_in_pieces() {
    let block = |n: u32| {
        format!(
            "[applications.app-{n}]\nname = \"App {n}\"\nredirect_uris = [\n    \"https://{n}.example/cb\",\n]\n\n"
        )
    };
    let text = format!(
        "[policy]\nprune = \"never\"\n\n{}[applications.app-7.columns]\nplan = \"x\"\n[[removed]]\nclient_id = \"gone\"\n",
        (0..10_000).rev().filter(|n| *n != 7).chain([7]).map(block).collect::<String>(),
    );
    let around = Surroundings { variable: &|_| None, file: &read_file };
    let pieces = pieces::cut(&text, PIECE).unwrap();
    assert!(text.len() > WHOLE_LIMIT / 2 && pieces.applications.len() > 5, "{}", text.len());
    let loaded = loaded::in_pieces(&text, pieces, Path::new("x"), around, Presence::Required).unwrap();
    assert_eq!(loaded.problems.error_count(), 0);
    assert_eq!(loaded.resolved.desired.applications.len(), 10_000);
    let place = loaded.resolved.places.find(PlaceOf::Value(&ClientId::new("app-9999"), Field::Name.into()));
    assert_eq!(&text[place.unwrap()], "\"App 9999\"");
}

#[test]
fn pieces_that_are_not_sound_alone_are_read_as_a_whole() {
    for text in [
        "[applications.a]\n[applications.b]\n[applications.a.columns]\nx = 1\n",
        "[applications.a]\n[applications.b]\n[applications.a]\n",
        "applications.a.name = 'x'\n[applications.b]\n",
        "[applications.a]\nname = \"\"\"\n[applications.b]\n\"\"\"\n",
        "[applications.a]\n[applications.b\n",
    ] {
        let around = Surroundings { variable: &|_| None, file: &read_file };
        let pieces = pieces::cut(text, 1).unwrap();
        assert!(
            loaded::in_pieces(text, pieces, Path::new("x"), around, Presence::Required).is_none(),
            "{text}"
        );
        let _ = problems(text);
    }
}

fn good(text: &str) -> Config {
    load_with(
        text,
        &[("WEB_CLIENT_SECRET", "correct horse battery staple"), ("DATABASE_URL", "postgres:///app")],
        Presence::Required,
    )
    .unwrap_or_else(|rejected| panic!("{:#?}", rejected.problems))
}

/// `code@line:column` of each problem.
fn problems(text: &str) -> Vec<String> {
    let describe = |source: &Source, problems: &Problems| {
        let place = |problem: &Problem| {
            let at = source.position(problem.span.clone().unwrap_or_default().start);
            format!("{}@{}:{}", problem.code, at.line, at.column)
        };
        problems.shown().into_iter().map(place).collect()
    };
    match load_with(text, &[], Presence::Optional) {
        Ok(config) => describe(&config.source, &config.problems),
        Err(rejected) => describe(&rejected.source, &rejected.problems),
    }
}

/// What a file means, without its places. Secrets show as nothing.
fn meaning(config: &Config) -> String {
    let Config {
        source: _,
        problems: _,
        desired,
        default_columns,
        hooks,
        policy,
        cleanup,
        references,
        provider,
        lint,
        database,
        files: _,
        variables: _,
        environment,
        places: _,
    } = config;
    format!(
        "{desired:#?}\n{default_columns:#?}\n{hooks:#?}\n{environment:#?}\n{policy:#?}\n{cleanup:#?}\n{references:#?}\n{provider:#?}\n{lint:#?}\n\
         {database:#?}"
    )
}

#[test]
fn the_whole_format_is_understood() {
    let config = good(FULL);
    assert!(config.problems.is_empty(), "{:#?}", config.problems);
    let web = &config.desired.applications[&ClientId::new("web")];
    let application = &web.application;
    assert_eq!((web.block.as_str(), web.protect), ("web", true));
    assert_eq!(application.name.as_deref(), Some("Web shop"));
    assert_eq!(application.client_type.as_deref(), Some("confidential"));
    assert_eq!(application.authorization_grant_type.as_deref(), Some("authorization-code"));
    let uris = ["https://shop.example.com/b", "https://shop.example.com/a"].map(str::to_owned).to_vec();
    assert_eq!(application.redirect_uris, Some(uris));
    assert_eq!(application.post_logout_redirect_uris, Some(vec![]));
    assert_eq!(application.algorithm.as_deref(), Some(""));
    assert_eq!((application.skip_authorization, application.hash_client_secret), (Some(false), Some(true)));
    assert_eq!(application.token_endpoint_auth_method.as_deref(), Some("private_key_jwt"));
    assert!(application.client_jwks.as_ref().is_some_and(|keys| keys.contains("Ed25519")));
    assert_eq!(application.client_jwks_uri.as_deref(), Some(""));
    assert_eq!(application.require_pushed_authorization_requests, Some(true));
    assert_eq!(application.user, Some(UserRef::Named(Named::new("username", "ops"))));
    assert!(
        matches!(&application.client_secret, Some(SecretDeclaration::Plain(secret)) if secret.expose() == "correct horse battery staple")
    );

    let column = |name: &str| application.columns[name].clone();
    assert_eq!(column("tenant_id"), ColumnValue::Integer(7));
    assert_eq!(column("since"), ColumnValue::Moment(Moment::Instant, "2026-01-31T12:00:00Z".to_owned()));
    let nested = serde_json::json!({ "lang": ["de", 1, true, "2026-01-31"] });
    assert_eq!(column("größe"), ColumnValue::Nested(nested));
    assert!(web.ignores(&Attribute::Column("tenant_id".to_owned())));

    let job = &config.desired.applications[&ClientId::new("nightly job")];
    assert_eq!(job.block, "job");
    assert_eq!(job.application.user, Some(UserRef::Key("7".to_owned())));
    assert_eq!(job.application.redirect_uris, None);
    assert!(matches!(job.application.client_secret, Some(SecretDeclaration::Generate)));

    let policy = &config.policy;
    assert_eq!(policy.prune, Prune::Owned);
    assert_eq!((policy.max_deletes, policy.max_updates), (Some(Limit::Count(5)), Some(Limit::Percent(50))));
    assert!(policy.protect.contains(&ClientId::new("elsewhere")));

    let cleanup = config.cleanup.as_ref().unwrap();
    assert_eq!(cleanup.refresh_token_expire, Some(Duration::from_hours(336)));
    assert_eq!(cleanup.refresh_token_grace_period, Duration::from_mins(2));
    assert_eq!(cleanup.pace.target_batch_time, Some(Duration::from_millis(500)));
    assert_eq!(cleanup.pace.max_duration, None, "0 is off");
    assert_eq!((cleanup.pace.batch_size.get(), cleanup.pace.max_rows), (500, Some(5_000_000)));
    assert_eq!(cleanup.pace.workers.most(), 2);
    assert_eq!((cleanup.pace.max_wal_rate, cleanup.pace.max_slot_lag), (Some(20 << 20), Some(5 << 30)));
    assert_eq!((cleanup.pace.vacuum_every, cleanup.pace.max_archive_backlog), (Some(10_000_000), Some(50)));
    assert!(cleanup.skip.contains(&Category::Grants) && cleanup.only.is_empty());

    assert_eq!(config.database.url.as_ref().map(crate::secret::Secret::expose), Some("postgres:///app"));
    assert_eq!(config.database.tables.schema.as_deref(), Some("public"));
    assert_eq!(config.database.tables.name(TableRole::Application), "oauth_clients");
    assert_eq!(config.provider.client_secret_generator_length.get(), 64);
    assert!(config.provider.oidc_rsa_private_key);
}

#[test]
fn no_file_and_an_empty_file_declare_nothing() {
    for text in ["", "\n", "# nothing\n", "\u{feff}", "\u{feff}# nothing\r\n"] {
        assert_eq!(meaning(&good(text)), meaning(&Config::default()), "{text:?}");
    }
    assert!(good("[cleanup]\n").cleanup.is_some());
}

#[test]
fn a_byte_order_mark_and_windows_line_endings_change_nothing() {
    let windows = format!("\u{feff}{}", FULL.replace('\n', "\r\n"));
    assert_eq!(meaning(&good(&windows)), meaning(&good(FULL)));
    assert_eq!(problems("\u{feff}a = 1\r\nb = 2\r\n"), ["unknown-key@1:1", "unknown-key@2:1"]);
}

#[test]
fn places_are_found_after_the_text_is_forgotten() {
    let config = good(FULL);
    let text = config.source.text().to_owned();
    let at = |place: PlaceOf<'_>| config.place(place).map(|span| text[span].to_owned());
    let (web, job) = (ClientId::new("web"), ClientId::new("nightly job"));
    let field = Field::RedirectUris;
    assert_eq!(at(PlaceOf::Application(&job)).unwrap(), "job");
    assert_eq!(at(PlaceOf::ClientId(&job)).unwrap(), "\"nightly job\"");
    assert_eq!(at(PlaceOf::ClientId(&web)).unwrap(), "web");
    assert_eq!(at(PlaceOf::Key(&web, field.into())).unwrap(), "redirect_uris");
    assert_eq!(at(PlaceOf::Item(&web, field, 1)).unwrap(), "\"https://shop.example.com/a\"");
    assert!(at(PlaceOf::Item(&web, field, 9)).unwrap().starts_with('['));
    assert_eq!(at(PlaceOf::Key(&job, field.into())).unwrap(), "job", "not written: the block");
    assert_eq!(at(PlaceOf::Value(&web, Field::User.into())).unwrap(), "{ username = \"ops\" }");
    assert_eq!(at(PlaceOf::Removed(&ClientId::new("legacy-cron"))).unwrap(), "\"legacy-cron\"");
    assert_eq!(at(PlaceOf::Renamed(&ClientId::new("reporting"))).unwrap(), "\"reporting\"");
    assert_eq!(at(PlaceOf::Setting("database.tables", "application")).unwrap(), "\"oauth_clients\"");
    assert_eq!(at(PlaceOf::Setting("policy", "max_deletes")).unwrap(), "5");
    assert_eq!(at(PlaceOf::Application(&ClientId::new("nobody"))), None);
    assert_eq!(at(PlaceOf::Setting("policy", "prume")), None);
}

#[test]
fn each_problem_is_at_its_place() {
    for (text, expected) in [
        ("[policy]\nmax_deletes = \"101%\"", "out-of-range@2:15"),
        ("[policy]\nmax_deletes = -1", "out-of-range@2:15"),
        ("[policy]\nmax_deletes = 1.5", "wrong-type@2:15"),
        ("[policy]\nprune = \"own\"", "unknown-value@2:9"),
        ("[policy]\nprotect = [\"\"]", "empty@2:12"),
        ("[policy]\nprotect = [\"a\", \"a\"]", "duplicate-item@2:17"),
        ("[cleanup]\nbatch_size = 0", "out-of-range@2:14"),
        ("[cleanup]\nbatch_size = 4294967296", "out-of-range@2:14"),
        ("[cleanup]\nbatch_size = 99999999999999999999", "number-too-large@2:14"),
        ("[cleanup]\nmax_rows = 0", "out-of-range@2:12"),
        ("[cleanup]\nworkers = 65", "out-of-range@2:11"),
        ("[cleanup]\nnice_ratio = nan", "out-of-range@2:14"),
        ("[cleanup]\nnice_ratio = -1", "out-of-range@2:14"),
        ("[cleanup]\nnice_ratio = inf", "out-of-range@2:14"),
        ("[cleanup]\nmax_duration = \"1y\"", "invalid-duration@2:16"),
        ("[cleanup]\nmax_duration = -1", "invalid-duration@2:16"),
        ("[cleanup]\nmax_duration = 9223372036854775807", "invalid-duration@2:16"),
        ("[cleanup]\nmax_duration = 0x7fff_ffff_ffff_ffff", "invalid-duration@2:16"),
        ("[cleanup]\nmax_duration = 2020-01-01", "wrong-type@2:16"),
        ("[cleanup]\nonly = [\"id\"]\nskip = [\"id\"]", "contradiction@3:9"),
        ("[applications.a]\nignore = [\"name\"]", "nothing-to-ignore@2:11"),
        ("[cleanup]\ndcr_applications = {}", "missing-key@2:20"),
        ("[cleanup]\ndcr_applications = { min_age = 0 }", "out-of-range@2:32"),
        ("[cleanup]\ndcr_applications = { min_age = 1, min_aeg = 1 }", "unknown-key@2:35"),
        ("[cleanup]\nonly = [\"dcr\"]", "missing-key@2:9"),
        ("[cleanup]\ndcr_applications = { min_age = 9, max_age = 9 }", "out-of-range@2:45"),
        ("[cleanup]\ndcr_applications = { min_age = 9, max_age = \"x\" }", "invalid-duration@2:45"),
        ("[cleanup]\ndcr_applications = { min_age = 9, dormant = 1 }", "wrong-type@2:45"),
        ("[policy]\ndynamic = []", "empty@2:11"),
        ("[policy]\ndynamic = \"is_dcr_client\"", "wrong-type@2:11"),
        ("[policy]\ndynamic = { column = \"x\" }", "missing-key@2:11"),
        ("[policy]\ndynamic = [{ value = true }]", "missing-key@2:12"),
        ("[policy]\ndynamic = { column = \"\", value = true }", "empty@2:22"),
        ("[policy]\ndynamic = { column = 1, value = true }", "wrong-type@2:22"),
        ("[policy]\ndynamic = { column = \"x\", value = 1.5 }", "wrong-type@2:35"),
        ("[policy]\ndynamic = { column = \"x\", value = [1] }", "wrong-type@2:35"),
        ("[policy]\ndynamic = { column = \"x\", value = 2026-01-01 }", "wrong-type@2:35"),
        ("[policy]\ndynamic = { column = \"x\", value = true, vlaue = true }", "unknown-key@2:41"),
        ("[cleanup]\nstrategy = 1", "wrong-type@2:12"),
        ("[applications.a.columns]\nuser_id = 1", "dot-column@2:1"),
        ("[applications.a]\nredirect_uris = [\"a b\"]", "whitespace-in-uri@2:18"),
        ("[applications.a]\nredirect_uris = [\"a\\u001fb\"]", "whitespace-in-uri@2:18"),
        ("[applications.a]\nallowed_origins = [\"\"]", "empty@2:20"),
        ("[applications.a]\ntoken_endpoint_auth_method = \"None\"", "unknown-value@2:30"),
        ("[applications.a]\nclient_jwks = { keys = [] }", "wrong-type@2:15"),
        ("[applications.a]\nrequire_pushed_authorization_requests = \"yes\"", "wrong-type@2:41"),
        ("[provider]\nuri_rules = \"off\"", "unknown-value@2:13"),
        ("[applications.a]\nclient_jwks = \"{}\"", "invalid-keys@2:15"),
        ("[applications.a]\nclient_jwks_uri = \"http://a.example/\"", "invalid-uri@2:19"),
        ("[applications.a]\nallowed_origins = [\"https://a\", 1, \"https://b\"]", "wrong-type@2:33"),
        ("[applications.a]\nname = \"a\\u0000b\"", "nul-byte@2:8"),
        ("[applications.\"a\\u0000b\"]", "nul-byte@1:15"),
        ("[applications.\"\"]", "empty@1:15"),
        ("[applications.a]\nclient_id = \"\"", "empty@2:13"),
        ("[applications.a]\nuser = true", "wrong-type@2:8"),
        ("[applications.a]\nuser = {}", "missing-key@2:8"),
        ("[applications.a]\nuser = { username = 1 }", "wrong-type@2:21"),
        ("[applications.a]\nclient_type = \"Public\"", "unknown-value@2:15"),
        ("[applications.a]\nalgorithm = \"RS512\"", "unknown-value@2:13"),
        (
            "[applications.a]\nredirect_uris = [\"https://a.example\", \"ftp://a.example\"]",
            "invalid-uri@2:39",
        ),
        ("[applications.a]\nallowed_origins = [\"https://a.example/\"]", "invalid-uri@2:20"),
        (
            "[applications.a]\nauthorization_grant_type = \"openid-hybrid\"\nredirect_uris = []",
            "no-redirect-uris@3:17",
        ),
        ("[applications.a]\nalgorithm = \"RS256\"", "no-rsa-key@2:13"),
        ("[applications.a]\nalgorithm = \"HS256\"\nhash_client_secret = true", "hs256@3:22"),
        ("[applications.a]\nalgorithm = \"HS256\"\nclient_type = \"public\"", "hs256@2:13"),
        ("applications = 5", "wrong-type@1:16"),
        ("[[applications]]\nclient_id = \"a\"", "wrong-type@1:1"),
        ("[[cleanup]]", "wrong-type@1:1"),
        ("[applications.a]\nredirect_uris = {}", "wrong-type@2:17"),
        ("applications.a = 5", "wrong-type@1:18"),
        ("[removed]\nclient_id = \"x\"", "wrong-type@1:1"),
        ("[[removed]]", "missing-key@1:1"),
        ("[database]\nschema = \"\"", "empty@2:10"),
        ("[database]\ntables.aplication = \"x\"", "unknown-key@2:8"),
        ("[database]\nurl = { env = \"A\", file = \"b\" }", "several-sources@2:7"),
        ("[database]\nurl = \"postgres://u:p@h/d\"", "password-in-file@2:7"),
        ("[provider]\nclient_secret_hasher = \"argon2\"", "unknown-value@2:24"),
        ("[provider]\nclient_secret_hasher = \"pbkdf2\"", "unknown-value@2:24"),
        ("[provider]\nclient_secret_iterations = 0", "out-of-range@2:28"),
        ("[provider]\nclient_secret_hasher = \"scrypt\"\nclient_secret_iterations = 9", "contradiction@3:28"),
        ("[provider]\nclient_secret_generator_length = 256", "out-of-range@2:34"),
        ("[provider]\noidc_rsa_private_key = \"-----BEGIN\"", "wrong-type@2:24"),
        ("[provider]\nallowed_schemes = \"https\"", "wrong-type@2:19"),
        ("a = 1\na = 2", "duplicate-key@2:1"),
        ("[a\nb = 1", "syntax@1:3"),
    ] {
        let found = problems(text);
        assert!(found.contains(&expected.to_owned()), "{text}\n{found:?}");
        assert!(found.len() == 1 || text.starts_with("a = 1"), "more than one: {text}\n{found:?}");
    }
}

#[test]
fn a_list_is_not_empty_because_its_items_are_wrong() {
    let text = "[applications.a]\nauthorization_grant_type = \"openid-hybrid\"\nredirect_uris = [1]";
    assert_eq!(problems(text), ["wrong-type@3:18"]);
}

#[test]
fn text_that_does_not_fit_is_refused_without_its_length() {
    let long = "x".repeat(256);
    let text = format!("[applications.{long}]\nname = \"{long}\"\nclient_secret = {{ env = \"A\" }}");
    let rejected = load_with(&text, &[("A", &long)], Presence::Required).unwrap_err();
    let messages: Vec<_> = rejected.problems.shown().into_iter().map(|problem| &problem.message).collect();
    let too_long = |field: &str| format!("`{field}` has more than 255 characters");
    assert_eq!(messages, [&too_long("client_id"), &too_long("name"), &too_long("client_secret")]);
}

#[test]
fn an_open_bracket_is_one_problem() {
    let text = FULL.replacen("\"https://shop.example.com/a\"]", "\"https://shop.example.com/a\"", 1);
    assert_eq!(problems(&text).len(), 1, "{:?}", problems(&text));
    let twice = "a = \nb = [1, 2]]\n[c]\nd = 'x\n";
    assert_eq!(problems(twice), ["syntax@1:5", "syntax@2:11", "syntax@4:7"]);
    let header = "[applications.a\n[[removed]\n[policy]\nprune = never\n";
    assert_eq!(problems(header), ["syntax@1:16", "syntax@2:11", "syntax@4:9"]);
    let inline = "[applications]\na = { name = \"a\", client_id = \"b\"\nb = { name = \"c\" }\n";
    assert_eq!(problems(inline).len(), 1, "{:?}", problems(inline));
}

#[test]
fn what_is_not_text_is_reported_with_its_offset() {
    let around = Surroundings { variable: &|_| None, file: &read_file };
    let reject = |bytes: &[u8]| load(bytes.to_vec(), Path::new("x"), around, Presence::Optional).unwrap_err();
    let latin = reject(b"# caf\xe9\nname = 1\n");
    let [problem] = latin.problems.shown()[..] else { panic!("{:?}", latin.problems) };
    assert_eq!(problem.message, "the file is not UTF-8: byte 0xE9 at offset 5");
    assert_eq!(latin.source.position(problem.span.clone().unwrap().start).column, 6);
    let wide: Vec<u8> = "\u{feff}a = 1".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(reject(&wide).problems.shown()[0].hint.as_ref().unwrap().contains("UTF-16"));
    assert_eq!(reject(b"a = 1\nb = \"\xc3").problems.shown()[0].span, Some(11..11));
}

#[test]
fn of_many_problems_the_first_are_kept() {
    let unit = "[[renamed]]\nfrmo = 'a'\n";
    let text = unit.repeat(10_000);
    let rejected = load_with(&text, &[], Presence::Optional).unwrap_err();
    let blocks = (text.len() / unit.len()) as u64;
    assert_eq!(rejected.problems.error_count(), 3 * blocks, "an unknown key and two missing ones in each");
    assert_eq!(rejected.problems.shown().len(), LIMIT);
    assert_eq!(rejected.problems.hidden_count(), 3 * blocks - LIMIT as u64);
    let last = rejected.problems.shown()[LIMIT - 1].span.clone().unwrap();
    assert!(rejected.source.position(last.start).line < 50);
}

#[test]
fn a_long_line_is_one_line() {
    let text = format!("[policy]\nprotect = [\"{}\"]\nprune = 1", "é".repeat(500_000));
    assert_eq!(problems(&text), ["wrong-type@3:9"]);
    let text = format!("[policy]\nprotect = [{}1]", "\"a\", ".repeat(1_000));
    assert_eq!(problems(&text).last().unwrap(), "wrong-type@2:5012");
}
