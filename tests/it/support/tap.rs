//! A tap on the wire between the program and the server: what is sent, and whether a transaction was open then.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;

use super::Sandbox;
use super::database::Database;

const PORT: u16 = 5432;

/// The message with which a client begins; it has no tag.
const STARTUP: u8 = 0;

/// Something that a client sent to be parsed.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The name of the prepared statement; empty where there is none.
    pub name: String,
    /// The text.
    pub text: String,
    /// Whether a transaction was open.
    pub in_transaction: bool,
}

/// A tapped way to a database.
#[derive(Debug)]
pub struct Tap {
    directory: TempDir,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Tap {
    /// Lets clients through to the server of this database.
    pub fn on(database: &Database) -> Self {
        let directory = tempfile::Builder::new().prefix("oauthctl-tap-").tempdir_in("/tmp").unwrap();
        let listener = UnixListener::bind(directory.path().join(format!(".s.PGSQL.{PORT}"))).unwrap();
        let [host, port, ..] = database.variables();
        let server = format!("{}/.s.PGSQL.{}", host.1, port.1);
        let sent = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&sent);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = UnixStream::connect(&server) else { return };
                join(client, server, &seen);
            }
        });
        Self { directory, sent }
    }

    /// A directory in which `oauthctl` goes through the tap.
    pub fn sandbox(&self, database: &Database) -> Sandbox {
        let mut sandbox = Sandbox::with(database);
        sandbox.set("PGHOST", self.directory.path());
        sandbox.set("PGPORT", PORT.to_string());
        sandbox
    }

    /// What has been sent since the last time.
    pub fn take(&self) -> Vec<Sent> {
        std::mem::take(&mut self.sent.lock().unwrap())
    }
}

/// Passes messages on in both directions.
fn join(client: UnixStream, server: UnixStream, sent: &Arc<Mutex<Vec<Sent>>>) {
    let open = Arc::new(AtomicBool::new(false));
    let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (is_open, sent) = (Arc::clone(&open), Arc::clone(sent));
    thread::spawn(move || {
        pass(from, to, true, |tag, body| {
            let in_transaction = is_open.load(Ordering::Relaxed);
            let mut texts =
                body.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
            let name = if tag == b'P' { texts.next().unwrap_or_default() } else { String::new() };
            if matches!(tag, b'P' | b'Q') {
                let text = texts.next().unwrap_or_default();
                sent.lock().unwrap().push(Sent { name, text, in_transaction });
            }
        });
    });
    thread::spawn(move || {
        pass(server, client, false, |tag, body| {
            if tag == b'Z' {
                open.store(body != b"I", Ordering::Relaxed);
            }
        });
    });
}

/// Passes messages on until either side ends.
fn pass(mut from: UnixStream, mut to: UnixStream, is_client: bool, mut look: impl FnMut(u8, &[u8])) {
    let mut tagged = !is_client;
    while let Some((tag, message, body)) = read(&mut from, tagged) {
        look(tag, &message[body..]);
        tagged = true;
        if to.write_all(&message).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// A message, with its tag and where its body begins.
pub(super) fn read(from: &mut UnixStream, tagged: bool) -> Option<(u8, Vec<u8>, usize)> {
    let head = if tagged { 5 } else { 4 };
    let mut message = vec![0; head];
    from.read_exact(&mut message).ok()?;
    let tag = if tagged { message[0] } else { STARTUP };
    let length = u32::from_be_bytes(message[head - 4..].try_into().ok()?);
    message.resize(head + usize::try_from(length).ok()? - 4, 0);
    from.read_exact(&mut message[head..]).ok()?;
    Some((tag, message, head))
}
