//! A running Django with DOT, and a client that asks its endpoints over HTTP.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::support::Database;
use crate::support::dot::Release;

/// `tests/conformance/server.py`. Ends with this value.
pub struct Endpoint {
    process: Child,
    input: Option<ChildStdin>,
    port: u16,
}

/// What the server answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// The value of a parameter in the URL that this redirects to.
    pub fn redirect_parameter(&self, name: &str) -> Option<&str> {
        let location = self.head.lines().find_map(|line| line.strip_prefix("Location: "))?;
        let (_, query) = location.split_once('?')?;
        query
            .split('&')
            .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value))
    }
}

impl Endpoint {
    pub fn start(release: Release, database: &Database) -> Self {
        let mut process = release
            .script(database, "server.py")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = process.stdin.take();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let port = port.trim().parse().expect("the server is up");
        Self { process, input, port }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n"))
    }

    /// Asks for a token, with the client's credentials in the body if the form has them.
    pub fn token(&self, form: &[(&str, &str)]) -> Answer {
        self.post("", form)
    }

    /// Asks for a token, with HTTP Basic authentication as RFC 6749 section 2.3.1 has it.
    pub fn token_basic(&self, client_id: &str, secret: &str, form: &[(&str, &str)]) -> Answer {
        let credentials = STANDARD.encode(format!("{}:{}", percent(client_id), percent(secret)));
        self.post(&format!("Authorization: Basic {credentials}\r\n"), form)
    }

    fn post(&self, header: &str, form: &[(&str, &str)]) -> Answer {
        let body = form
            .iter()
            .map(|(name, value)| format!("{}={}", percent(name), percent(value)))
            .collect::<Vec<_>>()
            .join("&");
        self.ask(&format!(
            "POST /o/token/ HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n{header}\r\n{body}",
            body.len()
        ))
    }

    fn ask(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(("localhost", self.port)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.replace('\r', ""), body: body.to_owned() }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.process.wait();
    }
}

/// For URLs and forms.
pub fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}
