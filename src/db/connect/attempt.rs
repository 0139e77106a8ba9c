//! One connection after the other until one holds: hosts, their addresses, with and without TLS, as libpq does it.
//!
//! - A host that cannot be reached in time is followed by the next one. A server that answers has the last word.
//! - `allow` begins without TLS and `prefer` with it; both try the other way where the answer could depend on that.
//! - Unix sockets are never encrypted.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::poll_fn;
use tokio::net::lookup_host;
use tokio::task::JoinHandle;
use tokio_postgres::config as driver;
use tokio_postgres::error::Severity;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::cancel::Place;
use super::failure::{Cause, ConnectError, Failure};
use super::order::{is_asked, misfit, passes, ways};
use crate::conninfo::{
    Address, ChannelBinding, Host, LoadBalanceHosts, PasswordOrigin, Settings, SslMode, TargetSessionAttrs,
    Tls,
};
use crate::db::error::{forget_old_words, hear, tidy};
use crate::db::{notices, query, tls};
use crate::model::visible::visible;

/// Knows how to open a session.
pub struct Connector {
    target: String,
    hosts: Vec<Host>,
    /// Everything that does not differ from host to host.
    base: Config,
    pub tls: MakeRustlsConnect,
    mode: SslMode,
    wanted: TargetSessionAttrs,
    shuffle: bool,
    /// The limit per address.
    pub timeout: Option<Duration>,
    /// Where sessions have been opened, for cancel requests.
    places: Mutex<Vec<Place>>,
}

/// An address to connect to: a socket directory has none.
type Reached = Option<IpAddr>;

impl Connector {
    /// Reads the files that TLS needs.
    pub fn new(settings: &Settings, application_name: &str) -> Result<Self, ConnectError> {
        let target = settings.target();
        let encryptable = settings.hosts.iter().any(|host| !matches!(host.address, Address::Socket(_)));
        let mode = if encryptable { settings.tls.mode } else { SslMode::Disable };
        let tls = tls::connector(&Tls { mode, ..settings.tls.clone() })
            .map_err(|source| ConnectError::Tls { target: target.clone(), source })?;
        Ok(Self {
            target,
            hosts: settings.hosts.clone(),
            base: base(settings, application_name),
            tls,
            mode,
            wanted: settings.target_session_attrs,
            shuffle: settings.load_balance_hosts == LoadBalanceHosts::Random,
            timeout: settings.connect_timeout,
            places: Mutex::default(),
        })
    }

    /// Opens a session and the task that drives it, which ends with the client.
    pub async fn open(&self) -> Result<(Client, JoinHandle<()>), ConnectError> {
        let mut failures = Vec::new();
        for wanted in passes(&self.wanted) {
            let mut hosts: Vec<&Host> = self.hosts.iter().collect();
            self.maybe_shuffle(&mut hosts);
            for host in hosts {
                let mut reached = match addresses(host, self.timeout).await {
                    Ok(addresses) => addresses,
                    Err(cause) => {
                        failures.push(failure(host, None, cause));
                        continue;
                    }
                };
                self.maybe_shuffle(&mut reached);
                for address in reached {
                    match self.attempt(host, address, *wanted, &mut failures).await {
                        Ok(session) => return Ok(session),
                        Err(cause) => {
                            let last_word = cause.is_final();
                            failures.push(failure(host, address, cause));
                            if last_word {
                                return Err(ConnectError::from_failures(self.target.clone(), failures));
                            }
                        }
                    }
                }
            }
        }
        Err(ConnectError::from_failures(self.target.clone(), failures))
    }

    /// One address, in one or two ways. The result of the first way goes to `failures` if there is a second one.
    async fn attempt(
        &self,
        host: &Host,
        address: Reached,
        wanted: TargetSessionAttrs,
        failures: &mut Vec<Failure>,
    ) -> Result<(Client, JoinHandle<()>), Cause> {
        let (first, second) = ways(self.mode, address.is_none());
        if self.mode == SslMode::VerifyFull && matches!(host.address, Address::Ip { name: None, .. }) {
            return Err(Cause::Tls(
                "sslmode=verify-full needs the name of the host beside its address".to_owned(),
            ));
        }
        let ways = async {
            let cause = match self.session(host, address, first, wanted).await {
                Err(cause) => cause,
                session => return session,
            };
            match second.filter(|_| cause.depends_on_encryption()) {
                Some(second) => {
                    failures.push(failure(host, address, cause));
                    self.session(host, address, second, wanted).await
                }
                None => Err(cause),
            }
        };
        match self.timeout {
            Some(limit) => tokio::time::timeout(limit, ways).await.unwrap_or(Err(Cause::TimedOut(limit))),
            None => ways.await,
        }
    }

    async fn session(
        &self,
        host: &Host,
        address: Reached,
        encryption: driver::SslMode,
        wanted: TargetSessionAttrs,
    ) -> Result<(Client, JoinHandle<()>), Cause> {
        let config = self.config(host, address, encryption);
        let password_file = host.password.as_ref().and_then(|password| match &password.origin {
            PasswordOrigin::File(file) => Some(file.clone()),
            PasswordOrigin::Given(_) => None,
        });
        let opened = config.connect(self.tls.clone()).await.map_err(|error| Cause::of(&error, password_file));
        let (client, connection) = opened.map_err(|cause| match config.get_ssl_negotiation() {
            driver::SslNegotiation::Direct => cause.of_direct_handshake(),
            _ => cause,
        })?;
        let task = tokio::spawn(drive(connection));
        check(&client, wanted).await?;
        self.note(place(host, address));
        forget_old_words();
        tracing::debug!(target = self.target, host = %host, "connected");
        Ok((client, task))
    }

    /// Where sessions have been opened.
    pub fn places(&self) -> Vec<Place> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, place: Option<Place>) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = place.filter(|place| !places.contains(place)) {
            places.push(place);
        }
    }

    fn config(&self, host: &Host, address: Reached, encryption: driver::SslMode) -> Config {
        let mut config = self.base.clone();
        config.port(host.port).ssl_mode(encryption);
        match &host.address {
            Address::Socket(directory) => config.host_path(directory),
            Address::Name(name) | Address::Ip { name: Some(name), .. } => config.host(name),
            Address::Ip { address, name: None } => config.host(address.to_string()),
        };
        if let Some(address) = address {
            config.hostaddr(address);
        }
        // A direct handshake happens where there is TLS at all.
        if encryption == driver::SslMode::Disable {
            config.ssl_negotiation(driver::SslNegotiation::Postgres);
        }
        if let Some(password) = &host.password {
            config.password(password.secret.expose());
        }
        config
    }

    /// Fisher and Yates; in order if the system has no randomness.
    fn maybe_shuffle<T>(&self, items: &mut [T]) {
        if !self.shuffle {
            return;
        }
        for at in (1..items.len()).rev() {
            let Ok(random) = getrandom::u32() else { return };
            items.swap(at, random as usize % (at + 1));
        }
    }
}

fn place(host: &Host, address: Reached) -> Option<Place> {
    let name = match &host.address {
        Address::Socket(directory) => {
            return Some(Place::Socket(directory.join(format!(".s.PGSQL.{}", host.port))));
        }
        Address::Name(name) | Address::Ip { name: Some(name), .. } => name.clone(),
        Address::Ip { address, name: None } => address.to_string(),
    };
    Some(Place::Tcp((address?, host.port).into(), name))
}

fn failure(host: &Host, address: Reached, cause: Cause) -> Failure {
    let text = address.map(|address| address.to_string());
    // Where the host is an address already, that is said.
    let addresses =
        text.into_iter().filter(|text| !host.address.to_string().contains(text.as_str())).collect();
    Failure { host: host.to_string(), addresses, cause }
}

/// Everything that does not differ from host to host.
fn base(settings: &Settings, application_name: &str) -> Config {
    let mut config = Config::new();
    config.user(&settings.user).dbname(&settings.dbname);
    config.application_name(settings.application_name.as_deref().unwrap_or(application_name));
    if let Some(options) = &settings.options {
        config.options(options);
    }
    // For cancel requests, whose connections the driver makes.
    if let Some(timeout) = settings.connect_timeout {
        config.connect_timeout(timeout);
    }
    config.channel_binding(match settings.channel_binding {
        ChannelBinding::Disable => driver::ChannelBinding::Disable,
        ChannelBinding::Prefer => driver::ChannelBinding::Prefer,
        ChannelBinding::Require => driver::ChannelBinding::Require,
    });
    if settings.tls.direct {
        config.ssl_negotiation(driver::SslNegotiation::Direct);
    }
    let keepalive = settings.keepalive;
    config.keepalives(keepalive.enabled);
    if let Some(idle) = keepalive.idle {
        config.keepalives_idle(idle);
    }
    if let Some(interval) = keepalive.interval {
        config.keepalives_interval(interval);
    }
    if let Some(count) = keepalive.count {
        config.keepalives_retries(count);
    }
    if let Some(timeout) = keepalive.user_timeout {
        config.tcp_user_timeout(timeout);
    }
    config
}

/// Where the host can be reached: one socket, one given address, or all that its name has.
async fn addresses(host: &Host, limit: Option<Duration>) -> Result<Vec<Reached>, Cause> {
    let name = match &host.address {
        Address::Socket(_) => return Ok(vec![None]),
        Address::Ip { address, .. } => return Ok(vec![Some(*address)]),
        Address::Name(name) => name,
    };
    let lookup = lookup_host((name.as_str(), host.port));
    let found = match limit {
        Some(limit) => tokio::time::timeout(limit, lookup).await.map_err(|_| Cause::TimedOut(limit))?,
        None => lookup.await,
    };
    let mut addresses: Vec<Reached> = Vec::new();
    for socket in found.map_err(|error| Cause::Lookup(lookup_text(&error)))? {
        let address = Some(socket.ip());
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(Cause::Lookup("its name has no address".to_owned()));
    }
    Ok(addresses)
}

/// The standard library puts the same words in front of every failed look-up.
fn lookup_text(error: &std::io::Error) -> String {
    let text = tidy(&error.to_string());
    let rest = text.strip_prefix("failed to lookup address information: ").map(tidy);
    rest.unwrap_or(text)
}

/// How often, and after which pauses, a connection that cannot be written to is read again: what the server said before it
/// closed is still there, and may not have been noticed yet.
const LAST_READS: (u32, Duration) = (3, Duration::from_millis(20));

/// Runs the connection to its end. What the server remarks is for debugging, but for what it warns of at a COMMIT; what
/// it says last is kept.
async fn drive<T>(mut connection: Connection<Socket, T>)
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut reads = 0;
    while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
        match message {
            Ok(AsyncMessage::Notice(notice)) => remark(&notice),
            Ok(_) => {}
            Err(error) => {
                let cause = Cause::of(&error, None);
                tracing::debug!("the connection broke: {}", visible(&cause.to_string()));
                hear(&error);
                reads += 1;
                let (most, pause) = LAST_READS;
                if error.is_closed() || error.as_db_error().is_some() || reads > most {
                    return;
                }
                tokio::time::sleep(pause).await;
            }
        }
    }
}

/// The server's own files from which it warns of a COMMIT: that a standby has not got it, for example. A trigger's
/// warnings come from elsewhere, and may quote rows.
const COMMIT_FILES: [&str; 2] = ["syncrep.c", "xact.c"];

fn remark(notice: &tokio_postgres::error::DbError) {
    let (severity, message) = (notice.severity(), notice.message());
    let warns = notice.parsed_severity() == Some(Severity::Warning)
        && notice.file().is_some_and(|file| COMMIT_FILES.contains(&file));
    if warns {
        notices::warn(message, notice.detail());
    }
    let sqlstate = notice.code().code();
    // What a function of the project's says may quote rows.
    let shown =
        if notice.where_().is_some() { "a notice of a function, which may quote rows" } else { message };
    tracing::debug!(severity, sqlstate, "{}", visible(shown));
}

/// Whether the session is with the right kind of server.
async fn check(client: &Client, wanted: TargetSessionAttrs) -> Result<(), Cause> {
    const QUESTION: &str =
        "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only')";
    if !is_asked(wanted) {
        return Ok(());
    }
    let row = query::simple_row(client, QUESTION).await.map_err(|error| Cause::of(&error, None))?;
    let Some(row) = row else {
        return Err(Cause::Other("the server does not say whether it is a standby".to_owned()));
    };
    let (standby, read_only) = (row.get(0) == Some("t"), row.get(1) == Some("on"));
    misfit(wanted, standby, read_only).map_or(Ok(()), |wrong| Err(Cause::WrongServer(wrong)))
}
