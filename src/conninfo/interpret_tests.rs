use crate::conninfo::surroundings::Imagined;
use crate::conninfo::{
    Address, ChannelBinding, ConninfoError, Given, LoadBalanceHosts, PasswordOrigin, Place, Root, Settings,
    Sources, SslMode, TargetSessionAttrs, TlsVersion, resolve,
};
use std::path::PathBuf;
use std::time::Duration;

fn with(text: &str, around: &Imagined) -> Result<Settings, ConninfoError> {
    let command_line = Some(Given { label: "the test", text });
    resolve(&Sources { command_line, file: None }, around)
}

fn of(text: &str) -> Settings {
    with(text, &Imagined::new()).unwrap()
}

fn refusal(text: &str) -> String {
    with(text, &Imagined::new()).unwrap_err().to_string()
}

fn passwords(settings: &Settings) -> Vec<Option<&str>> {
    settings
        .hosts
        .iter()
        .map(|host| host.password.as_ref().map(|password| password.secret.expose()))
        .collect()
}

#[test]
fn nothing_given_means_the_users_own_database_on_this_machine() {
    let settings = of("");
    assert_eq!(settings.target(), "postgres://me@localhost:5432/me");
    assert_eq!(settings.origin, Place::Default);
    let around = Imagined::new().with_file("/var/run/postgresql/.s.PGSQL.5432", "");
    assert_eq!(with("", &around).unwrap().target(), "postgres://me@/me?host=/var/run/postgresql");
    let around = Imagined::new().with_file("/tmp/.s.PGSQL.5433", "").with_var("PGPORT", "5433");
    let settings = with("", &around).unwrap();
    assert_eq!(settings.target(), "postgres://me@/me?host=/tmp&port=5433");
    assert_eq!(settings.origin, Place::Variable("PGPORT"));
}

#[test]
fn connection_string_over_service_over_environment_over_defaults() {
    let around = Imagined::new()
        .with_var("PGSERVICE", "prod")
        .with_var("PGHOST", "from-env")
        .with_var("PGUSER", "from-env")
        .with_var("PGDATABASE", "from-env")
        .with_var("PGAPPNAME", "from-env")
        .with_file(
            "/home/me/.pg_service.conf",
            "[prod]\nhost=from-service\nuser=from-service\nuser=second\n",
        );
    let settings = with("user=from-text", &around).unwrap();
    assert_eq!(settings.target(), "postgres://from-text@from-service:5432/from-env");
    assert_eq!(settings.application_name.as_deref(), Some("from-env"));
    let settings = with("service=prod", &around).unwrap();
    assert_eq!(settings.user, "from-service");
    let service =
        Place::Service { name: "prod".to_owned(), file: PathBuf::from("/home/me/.pg_service.conf") };
    assert_eq!(resolve(&Sources::default(), &around).unwrap().origin, service);
}

#[test]
fn the_command_line_wins_over_database_url_and_that_over_the_file() {
    let around = Imagined::new().with_var("DATABASE_URL", "postgres://variable\n");
    let command_line = Some(Given { label: "the command line", text: "postgres://flag" });
    let file = Some(Given { label: "the file", text: "postgres://file" });
    let host = |sources, around: &Imagined| {
        let settings = resolve(&sources, around).unwrap();
        (settings.hosts[0].to_string(), settings.origin.to_string())
    };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(host(Sources { command_line, file }, &around), pair("flag:5432", "the command line"));
    assert_eq!(host(Sources { command_line: None, file }, &around), pair("variable:5432", "DATABASE_URL"));
    let blank = Imagined::new().with_var("DATABASE_URL", " ");
    assert_eq!(host(Sources { command_line: None, file }, &blank), pair("file:5432", "the file"));
}

#[test]
fn an_empty_value_hides_the_layers_below() {
    let around = Imagined::new().with_var("PGHOST", "from-env");
    assert_eq!(with("host=''", &around).unwrap().target(), "postgres://me@localhost:5432/me");
}

#[test]
fn several_hosts_take_one_port_or_one_each() {
    assert_eq!(of("host=a,b port=1").target(), "postgres://me@a:1,b:1/me");
    assert_eq!(of("host=a,b,c port=1,,3").target(), "postgres://me@a:1,b:5432,c:3/me");
    assert_eq!(refusal("host=a,b port=1,2,3"), "3 ports were given for 2 hosts");
    assert_eq!(refusal("host=a,b hostaddr=::1"), "1 host addresses were given for 2 hosts");
    assert_eq!(of("hostaddr=10.0.0.1,::1 port=1,2").target(), "postgres://me@10.0.0.1:1,[::1]:2/me");
    assert_eq!(of("postgres://[::1]:7/x").target(), "postgres://me@[::1]:7/x");
    let settings = of("host=db hostaddr=10.0.0.1");
    let address = Address::Ip { address: "10.0.0.1".parse().unwrap(), name: Some("db".to_owned()) };
    assert_eq!(settings.hosts[0].address, address);
}

#[test]
fn values_that_make_no_sense_are_refused_at_their_place() {
    for (text, expected) in [
        ("port=0", "invalid port in the test: it takes numbers from 1 to 65535"),
        ("port=99999", "invalid port in the test: it takes numbers from 1 to 65535"),
        ("port=x", "invalid port in the test: it takes numbers from 1 to 65535"),
        ("hostaddr=db", "invalid hostaddr in the test: it takes IP addresses, separated by commas"),
        ("connect_timeout=1s", "invalid connect_timeout in the test: it takes a whole number"),
        (
            "sslmode=verifyfull",
            "invalid sslmode in the test: it takes disable, allow, prefer, require, verify-ca or verify-full; \
             did you mean verify-full?",
        ),
        (
            "sslmode=''",
            "invalid sslmode in the test: it takes disable, allow, prefer, require, verify-ca or verify-full",
        ),
        ("sslrootcert=system sslmode=require", "sslrootcert=system needs sslmode=verify-full"),
        ("sslnegotiation=direct", "sslnegotiation=direct needs sslmode=require, verify-ca or verify-full"),
        (
            "ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2",
            "ssl_min_protocol_version is above ssl_max_protocol_version: no TLS version is left",
        ),
        (
            "sslpassword=x",
            "the connection option sslpassword (from the test) is not supported: \
             encrypted client keys cannot be read; use a key without a password, mode 0600",
        ),
        (
            "host=@abstract",
            "invalid host in the test: it takes names, IP addresses and absolute paths of socket directories, without \"@\"",
        ),
        (
            "mysql://root@db/x",
            "the test is not a valid connection string: it starts with mysql:// instead of postgres:// or postgresql://",
        ),
        (
            "service=none",
            "the connection service \"none\" (from the test) is not defined in /home/me/.pg_service.conf or /etc/postgresql-common/pg_service.conf or /etc/sysconfig/pgsql/pg_service.conf or /etc/pg_service.conf or /usr/local/pgsql/etc/pg_service.conf",
        ),
    ] {
        assert_eq!(refusal(text), expected, "{text}");
    }
}

#[test]
fn options_that_cannot_be_honoured_are_refused_in_the_environment_too() {
    let around = Imagined::new().with_var("PGREQUIREAUTH", "scram-sha-256");
    assert_eq!(
        with("", &around).unwrap_err().to_string(),
        "the connection option require_auth (from PGREQUIREAUTH) is not supported: \
         use channel_binding=require or sslmode=verify-full"
    );
    let around = Imagined::new().with_var("PGREQUIREAUTH", "").with_var("PGGSSENCMODE", "disable");
    assert!(with("", &around).is_ok());
}

#[test]
fn a_given_password_is_everyones_and_the_password_file_is_asked_per_host() {
    let lines = "a:5432:*:me:for a\nlocalhost:5432:app:me:for the socket\n10.0.0.1:*:*:*:for the address\n";
    let around = Imagined::new().with_file("/home/me/.pgpass", lines);
    let settings = with("host=a,b,/var/run/postgresql,/other dbname=app", &around).unwrap();
    assert_eq!(passwords(&settings), [Some("for a"), None, Some("for the socket"), None]);
    let origin = &settings.hosts[0].password.as_ref().unwrap().origin;
    assert_eq!(*origin, PasswordOrigin::File(PathBuf::from("/home/me/.pgpass")));
    let settings = with("host=a,b password=given", &around).unwrap();
    assert_eq!(passwords(&settings), [Some("given"), Some("given")]);
    let settings = with("hostaddr=10.0.0.1 password=''", &around).unwrap();
    assert_eq!(passwords(&settings), [Some("for the address")]);
    let around = around.with_file("/else", "*:*:*:*:elsewhere").with_var("PGPASSFILE", "/else");
    assert_eq!(passwords(&with("host=a", &around).unwrap()), [Some("elsewhere")]);
}

#[test]
fn an_open_password_file_is_a_warning() {
    let path = "/home/me/.pgpass";
    let around = Imagined::new().with_file(path, "*:*:*:*:x").with_mode(path, 0o644);
    let settings = with("host=a", &around).unwrap();
    assert_eq!(passwords(&settings), [None]);
    assert_eq!(settings.warnings.len(), 1);
}

#[test]
fn times_and_switches() {
    let settings = of("");
    assert_eq!(settings.connect_timeout, Some(Duration::from_secs(30)));
    assert!(settings.keepalive.enabled);
    assert_eq!(settings.target_session_attrs, TargetSessionAttrs::Any);
    let settings = of(
        "connect_timeout=0 keepalives=0 keepalives_idle=5 keepalives_interval=6 keepalives_count=7 \
         tcp_user_timeout=8 target_session_attrs=prefer-standby load_balance_hosts=random channel_binding=require \
         options='-c a=b' fallback_application_name=f application_name=n",
    );
    assert_eq!(settings.connect_timeout, None);
    assert!(!settings.keepalive.enabled);
    assert_eq!(settings.keepalive.idle, Some(Duration::from_secs(5)));
    assert_eq!(settings.keepalive.interval, Some(Duration::from_secs(6)));
    assert_eq!(settings.keepalive.count, Some(7));
    assert_eq!(settings.keepalive.user_timeout, Some(Duration::from_millis(8)));
    assert_eq!(settings.target_session_attrs, TargetSessionAttrs::PreferStandby);
    assert_eq!(settings.load_balance_hosts, LoadBalanceHosts::Random);
    assert_eq!(settings.channel_binding, ChannelBinding::Require);
    assert_eq!(settings.options.as_deref(), Some("-c a=b"));
    assert_eq!(settings.application_name.as_deref(), Some("n"));
}

#[test]
fn tls_defaults_are_libpqs() {
    let tls = of("").tls;
    assert_eq!(tls.mode, SslMode::Prefer);
    assert_eq!(tls.root, Some(Root::File(PathBuf::from("/home/me/.postgresql/root.crt"))));
    assert_eq!(tls.certificate, Some(PathBuf::from("/home/me/.postgresql/postgresql.crt")));
    assert_eq!(tls.key, Some(PathBuf::from("/home/me/.postgresql/postgresql.key")));
    assert!(!tls.revocations.unwrap().required);
    assert!(tls.sni && !tls.direct);
    assert_eq!((tls.min_version, tls.max_version), (TlsVersion::V1_2, TlsVersion::V1_3));
    let tls =
        of("sslrootcert=system sslsni=0 sslcertmode=disable sslmode=verify-full sslnegotiation=direct").tls;
    assert_eq!((tls.mode, tls.root, tls.certificate), (SslMode::VerifyFull, Some(Root::System), None));
    assert!(!tls.sni && tls.direct);
    assert_eq!(of("sslrootcert=system").tls.mode, SslMode::VerifyFull);
    let around = Imagined::new().with_var("PGREQUIRESSL", "1");
    assert_eq!(with("", &around).unwrap().tls.mode, SslMode::Require);
}
