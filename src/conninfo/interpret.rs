//! Texts to [`Settings`]: numbers, lists, choices and defaults.
//!
//! Where this differs from libpq it is stricter, never laxer; `docs/connection.md` lists the differences.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use strum::{IntoStaticStr, VariantArray};

use super::error::ConninfoError;
use super::keywords;
use super::layers::{Layers, Value};
use super::passfile::{self, Login};
use super::settings::{
    Address, ChannelBinding, Host, Keepalive, LoadBalanceHosts, Password, PasswordOrigin, Revocations, Root,
    Settings, SslMode, TargetSessionAttrs, Tls, TlsVersion,
};
use super::surroundings::Surroundings;
use crate::secret::Secret;

/// How long one address has to let us in where nothing else is set. libpq would wait for ever, which a job that runs
/// unattended must not.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

const DEFAULT_PORT: u16 = 5432;

/// The directories that libpq is built with: Debian's and Red Hat's packages, and PostgreSQL's own default.
const SOCKET_DIRECTORIES: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// Makes the settings out of what was given.
pub fn settings(given: &Layers, around: &dyn Surroundings) -> Result<Settings, ConninfoError> {
    let mut warnings = Vec::new();
    let user = match given.text("user") {
        Some(user) => user.to_owned(),
        None => around.os_user().ok_or(ConninfoError::NoUser)?,
    };
    let dbname = given.text("dbname").unwrap_or(&user).to_owned();
    let mut hosts = hosts(given, around)?;
    set_passwords(&mut hosts, (&user, &dbname), given, around, &mut warnings);
    Ok(Settings {
        hosts,
        options: given.text("options").map(str::to_owned),
        application_name: given.text("application_name").map(str::to_owned),
        connect_timeout: connect_timeout(given)?,
        keepalive: keepalive(given)?,
        target_session_attrs: choice(given, "target_session_attrs", TARGETS)?
            .unwrap_or(TargetSessionAttrs::Any),
        load_balance_hosts: choice(given, "load_balance_hosts", "disable or random")?
            .unwrap_or(LoadBalanceHosts::Disable),
        channel_binding: choice(given, "channel_binding", "disable, prefer or require")?
            .unwrap_or(ChannelBinding::Prefer),
        tls: tls(given, around)?,
        origin: given.origin.clone(),
        user,
        dbname,
        warnings,
    })
}

/// What `target_session_attrs` takes.
const TARGETS: &str = "any, read-write, read-only, primary, standby or prefer-standby";

/// What `sslmode` takes.
const SSL_MODES: &str = "disable, allow, prefer, require, verify-ca or verify-full";

/// `sslnegotiation`.
#[derive(Clone, Copy, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
enum Negotiation {
    Postgres,
    Direct,
}

fn invalid(name: &'static str, value: &Value, takes: &'static str) -> ConninfoError {
    ConninfoError::Invalid { name, place: value.place.clone(), takes, suggestion: None }
}

/// As in libpq, an empty value is an error here, not the default. `takes`: the names of the choices, for a message.
fn choice<T: VariantArray + Copy + Into<&'static str>>(
    given: &Layers,
    name: &'static str,
    takes: &'static str,
) -> Result<Option<T>, ConninfoError> {
    let Some(value) = given.get_even_empty(name) else { return Ok(None) };
    let text = value.text.expose();
    let chosen = T::VARIANTS.iter().copied().find(|choice| Into::<&str>::into(*choice) == text);
    chosen.map(Some).ok_or_else(|| {
        let suggestion = keywords::closest(text, T::VARIANTS.iter().map(|choice| (*choice).into()));
        ConninfoError::Invalid { name, place: value.place.clone(), takes, suggestion }
    })
}

/// Whole numbers, with blanks around them as in libpq.
fn number<T: FromStr>(given: &Layers, name: &'static str) -> Result<Option<T>, ConninfoError> {
    let Some(value) = given.get(name) else { return Ok(None) };
    value.text.expose().trim().parse().map(Some).map_err(|_| invalid(name, value, "a whole number"))
}

/// A time; zero and less mean none.
fn duration(
    given: &Layers,
    name: &'static str,
    unit: fn(u64) -> Duration,
) -> Result<Option<Duration>, ConninfoError> {
    let count: Option<i32> = number(given, name)?;
    Ok(count.and_then(|count| u64::try_from(count).ok()).filter(|count| *count > 0).map(unit))
}

fn connect_timeout(given: &Layers) -> Result<Option<Duration>, ConninfoError> {
    if given.get("connect_timeout").is_none() {
        return Ok(Some(DEFAULT_CONNECT_TIMEOUT));
    }
    duration(given, "connect_timeout", Duration::from_secs)
}

fn keepalive(given: &Layers) -> Result<Keepalive, ConninfoError> {
    let enabled: Option<i32> = number(given, "keepalives")?;
    let count: Option<i32> = number(given, "keepalives_count")?;
    Ok(Keepalive {
        enabled: enabled != Some(0),
        idle: duration(given, "keepalives_idle", Duration::from_secs)?,
        interval: duration(given, "keepalives_interval", Duration::from_secs)?,
        count: count.and_then(|count| u32::try_from(count).ok()).filter(|count| *count > 0),
        user_timeout: duration(given, "tcp_user_timeout", Duration::from_millis)?,
    })
}

/// A list option; missing and empty are no list.
fn list<'a>(given: &'a Layers, name: &str) -> Option<Vec<&'a str>> {
    given.text(name).map(|text| text.split(',').collect())
}

fn hosts(given: &Layers, around: &dyn Surroundings) -> Result<Vec<Host>, ConninfoError> {
    let names = list(given, "host");
    let addresses = list(given, "hostaddr");
    let ports = list(given, "port").unwrap_or_default();
    let hosts = addresses.as_ref().or(names.as_ref()).map_or(1, Vec::len);
    if let (Some(names), Some(addresses)) = (&names, &addresses)
        && names.len() != addresses.len()
    {
        return Err(ConninfoError::Count {
            many: addresses.len(),
            list: "host addresses",
            hosts: names.len(),
        });
    }
    if ports.len() > 1 && ports.len() != hosts {
        return Err(ConninfoError::Count { many: ports.len(), list: "ports", hosts });
    }
    let entry = |list: &Option<Vec<&str>>, at: usize| {
        let text = list.as_ref()?.get(at).filter(|text| !text.is_empty())?;
        Some((*text).to_owned())
    };
    (0..hosts)
        .map(|at| {
            let port = port(ports.get(at).or_else(|| ports.first()).copied().unwrap_or_default(), given)?;
            let address = address(entry(&names, at), entry(&addresses, at), port, given, around)?;
            Ok(Host { address, port, password: None })
        })
        .collect()
}

fn port(text: &str, given: &Layers) -> Result<u16, ConninfoError> {
    if text.is_empty() {
        return Ok(DEFAULT_PORT);
    }
    let port = text.trim().parse().ok().filter(|port| *port != 0);
    match (port, given.get("port")) {
        (None, Some(value)) => Err(invalid("port", value, "numbers from 1 to 65535")),
        (port, _) => Ok(port.unwrap_or(DEFAULT_PORT)),
    }
}

fn address(
    name: Option<String>,
    address: Option<String>,
    port: u16,
    given: &Layers,
    around: &dyn Surroundings,
) -> Result<Address, ConninfoError> {
    if let (Some(text), Some(value)) = (address, given.get("hostaddr")) {
        let takes = "IP addresses, separated by commas";
        let address = IpAddr::from_str(&text).map_err(|_| invalid("hostaddr", value, takes))?;
        return Ok(Address::Ip { address, name: name.filter(|name| !name.starts_with('/')) });
    }
    match (name, given.get("host")) {
        (Some(name), _) if name.starts_with('/') => Ok(Address::Socket(PathBuf::from(name))),
        (Some(name), Some(value)) if name.contains('@') => {
            let takes = "names, IP addresses and absolute paths of socket directories, without \"@\"";
            Err(invalid("host", value, takes))
        }
        (Some(name), _) => Ok(Address::Name(name)),
        (None, _) => Ok(default_address(port, around)),
    }
}

/// libpq's default is the socket directory that it was built with; which one that is can only be found out by looking.
fn default_address(port: u16, around: &dyn Surroundings) -> Address {
    let socket = format!(".s.PGSQL.{port}");
    let mut directories = SOCKET_DIRECTORIES.iter().map(Path::new);
    match directories.find(|directory| around.stat(&directory.join(&socket)).is_ok()) {
        Some(directory) => Address::Socket(directory.to_owned()),
        None => Address::Name("localhost".to_owned()),
    }
}

/// A given password goes to every host; otherwise each host's is looked up in the password file.
fn set_passwords(
    hosts: &mut [Host],
    (user, dbname): (&str, &str),
    given: &Layers,
    around: &dyn Surroundings,
    warnings: &mut Vec<String>,
) {
    if let Some(value) = given.get("password") {
        let secret = Secret::new(value.text.expose().to_owned());
        let password = Arc::new(Password { secret, origin: PasswordOrigin::Given(value.place.clone()) });
        for host in hosts {
            host.password = Some(Arc::clone(&password));
        }
        return;
    }
    let default = || around.home().map(|home| home.join(".pgpass"));
    let Some(file) = given.text("passfile").map(PathBuf::from).or_else(default) else { return };
    let loaded = passfile::load(&file, around).unwrap_or_else(|warning| {
        warnings.push(warning);
        None
    });
    let Some(text) = loaded else { return };
    for host in hosts {
        let names = names_in_passfile(&host.address);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let found = passfile::lookup(&text, Login { hosts: &names, port: host.port, dbname, user });
        let origin = PasswordOrigin::File(file.clone());
        host.password = found.map(|secret| Arc::new(Password { secret, origin }));
    }
}

/// A socket in the default directory is listed as `localhost`, any other socket by its directory.
fn names_in_passfile(address: &Address) -> Vec<String> {
    match address {
        Address::Socket(directory) => {
            let default = SOCKET_DIRECTORIES.iter().any(|default| directory == Path::new(default));
            let localhost = default.then(|| "localhost".to_owned());
            localhost.into_iter().chain([directory.display().to_string()]).collect()
        }
        Address::Name(name) | Address::Ip { name: Some(name), .. } => vec![name.clone()],
        Address::Ip { address, name: None } => vec![address.to_string()],
    }
}

fn tls(given: &Layers, around: &dyn Surroundings) -> Result<Tls, ConninfoError> {
    let in_home = |name: &str| around.home().map(|home| home.join(".postgresql").join(name));
    let path =
        |option: &str, default: &str| given.text(option).map(PathBuf::from).or_else(|| in_home(default));
    let root = match given.text("sslrootcert") {
        Some("system") => Some(Root::System),
        Some(file) => Some(Root::File(PathBuf::from(file))),
        None => in_home("root.crt").map(Root::File),
    };
    let system = root == Some(Root::System);
    let default = if system { SslMode::VerifyFull } else { SslMode::Prefer };
    let mode = choice(given, "sslmode", SSL_MODES)?.unwrap_or(default);
    if system && mode != SslMode::VerifyFull {
        return Err(ConninfoError::Contradiction("sslrootcert=system needs sslmode=verify-full"));
    }
    let negotiation = choice(given, "sslnegotiation", "postgres or direct")?;
    let direct = negotiation == Some(Negotiation::Direct);
    if direct && mode < SslMode::Require {
        return Err(ConninfoError::Contradiction(
            "sslnegotiation=direct needs sslmode=require, verify-ca or verify-full",
        ));
    }
    let (min_version, max_version) = tls_versions(given)?;
    let certificate =
        path("sslcert", "postgresql.crt").filter(|_| given.text("sslcertmode") != Some("disable"));
    Ok(Tls {
        mode,
        root,
        certificate,
        key: path("sslkey", "postgresql.key"),
        revocations: path("sslcrl", "root.crl")
            .map(|file| Revocations { file, required: given.text("sslcrl").is_some() }),
        sni: given.text("sslsni").is_none_or(|text| text.starts_with('1')),
        min_version,
        max_version,
        direct,
    })
}

fn tls_versions(given: &Layers) -> Result<(TlsVersion, TlsVersion), ConninfoError> {
    // A lower bound below what TLS libraries still speak is no bound.
    let lower = match given.get("ssl_min_protocol_version") {
        Some(value) => match value.text.expose().to_ascii_lowercase().as_str() {
            "tlsv1" | "tlsv1.1" | "tlsv1.2" => TlsVersion::V1_2,
            "tlsv1.3" => TlsVersion::V1_3,
            _ => {
                return Err(invalid("ssl_min_protocol_version", value, "TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3"));
            }
        },
        None => TlsVersion::V1_2,
    };
    let upper = match given.get("ssl_max_protocol_version") {
        Some(value) => match value.text.expose().to_ascii_lowercase().as_str() {
            "tlsv1.2" => TlsVersion::V1_2,
            "tlsv1.3" => TlsVersion::V1_3,
            _ => return Err(invalid("ssl_max_protocol_version", value, "TLSv1.2 or TLSv1.3")),
        },
        None => TlsVersion::V1_3,
    };
    if lower > upper {
        return Err(ConninfoError::Contradiction(
            "ssl_min_protocol_version is above ssl_max_protocol_version: no TLS version is left",
        ));
    }
    Ok((lower, upper))
}

#[cfg(test)]
#[path = "interpret_tests.rs"]
mod tests;
