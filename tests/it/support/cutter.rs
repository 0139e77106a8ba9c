//! A way to the server that is cut at one message. Those of all connections and of both directions are counted.

use std::io::Write as _;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use tempfile::TempDir;

use super::database::Database;
use super::{Sandbox, environment, tap};

const PORT: u16 = 5432;

/// As many places are cut without this variable; `all`: every one.
const VARIABLE: &str = "OAUTHCTL_TEST_CUTS";
const SAMPLE: usize = 4;
const SMALL_SAMPLE: usize = 2;

/// As many runs at a time.
const AT_ONCE: usize = 4;

/// What becomes of the network after the cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Only that connection is lost.
    ComesBack,
    /// Every connection is lost, and none can be made any more.
    StaysAway,
}

/// The way to a database.
#[derive(Debug)]
pub struct Cutter {
    directory: TempDir,
    line: Arc<Line>,
}

#[derive(Debug)]
struct Line {
    messages: AtomicUsize,
    cut_at: usize,
    network: Network,
    cut: AtomicBool,
}

impl Line {
    fn is_dead(&self) -> bool {
        self.network == Network::StaysAway && self.cut.load(Ordering::SeqCst)
    }

    /// Whether the next message gets through.
    fn lets_through(&self) -> bool {
        let number = self.messages.fetch_add(1, Ordering::SeqCst) + 1;
        if number == self.cut_at {
            self.cut.store(true, Ordering::SeqCst);
            return false;
        }
        !self.is_dead()
    }
}

impl Cutter {
    /// Lets all messages through but the one with this number, which begins at 1.
    pub fn on(database: &Database, cut_at: usize, network: Network) -> Self {
        let directory = tempfile::Builder::new().prefix("oauthctl-cut-").tempdir_in("/tmp").unwrap();
        let listener = UnixListener::bind(directory.path().join(format!(".s.PGSQL.{PORT}"))).unwrap();
        let [host, port, ..] = database.variables();
        let server = format!("{}/.s.PGSQL.{}", host.1, port.1);
        let line =
            Arc::new(Line { messages: AtomicUsize::new(0), cut_at, network, cut: AtomicBool::new(false) });
        let shared = Arc::clone(&line);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.is_dead() {
                    continue;
                }
                let Ok(server) = UnixStream::connect(&server) else { return };
                join(&client, &server, &shared);
            }
        });
        Self { directory, line }
    }

    /// Has the programs of a sandbox go this way.
    pub fn lead(&self, sandbox: &mut Sandbox) {
        sandbox.set("PGHOST", self.directory.path());
        sandbox.set("PGPORT", PORT.to_string());
    }

    /// How many messages came.
    pub fn messages(&self) -> usize {
        self.line.messages.load(Ordering::SeqCst)
    }
}

fn join(client: &UnixStream, server: &UnixStream, line: &Arc<Line>) {
    for (from, to, tagged) in [(client, server, false), (server, client, true)] {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        let line = Arc::clone(line);
        thread::spawn(move || {
            let mut tagged = tagged;
            while let Some((_, message, _)) = tap::read(&mut from, tagged) {
                tagged = true;
                if !line.lets_through() || to.write_all(&message).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Both);
            let _ = from.shutdown(Shutdown::Both);
        });
    }
}

/// Cuts a run of so many messages at some places, spread over all, or at every one. Returns how many.
///
/// Several at a time: most of the time is spent in waiting for a network that stays away.
pub fn cut_at_places(messages: usize, network: Network, cut: impl Fn(usize) + Sync) -> usize {
    let wanted = environment(VARIABLE).map(|text| text.to_str().unwrap().to_owned());
    let count = match (wanted.as_deref(), network) {
        (Some("all"), _) => messages,
        (Some(number), _) => number.parse().unwrap(),
        (None, Network::ComesBack) => SAMPLE,
        (None, Network::StaysAway) => SMALL_SAMPLE,
    };
    let count = count.min(messages);
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(count) {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::SeqCst);
                    if place >= count {
                        break;
                    }
                    cut(messages - place * messages / count);
                }
            });
        }
    });
    count
}
