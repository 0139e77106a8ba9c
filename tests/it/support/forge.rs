//! A forge on loopback: as much of GitHub's and GitLab's interface as `examples/` uses, with comments that stay.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// Whoever has the token.
pub const BOT: &str = "github-actions[bot]";

/// What requests have to show.
pub const TOKEN: &str = "the-token-of-the-job";

/// A comment on the pull request 7 or the merge request 7 of the project 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    pub author: String,
    pub body: String,
}

/// The forge. It answers until the test process ends.
#[derive(Clone, Debug)]
pub struct Forge {
    comments: Arc<Mutex<Vec<Comment>>>,
    address: SocketAddr,
}

impl Forge {
    /// Starts one without comments.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let forge = Self { comments: Arc::default(), address: listener.local_addr().unwrap() };
        let serving = forge.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serving.answer(stream);
            }
        });
        forge
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A comment of somebody's.
    pub fn add(&self, author: &str, body: &str) {
        self.comments.lock().unwrap().push(Comment { author: author.to_owned(), body: body.to_owned() });
    }

    pub fn comments(&self) -> Vec<Comment> {
        self.comments.lock().unwrap().clone()
    }

    fn answer(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = || {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            line.trim_end().to_owned()
        };
        let request = line();
        let headers: Vec<String> =
            std::iter::from_fn(|| Some(line()).filter(|line| !line.is_empty())).collect();
        let header = |name: &str| {
            let of = |header: &String| {
                let (key, value) = header.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            };
            headers.iter().find_map(of)
        };
        let length = header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let is_known = [header("authorization"), header("private-token")]
            .into_iter()
            .flatten()
            .any(|value| value.ends_with(TOKEN));
        let unknown = ("401 Unauthorized", json!({}));
        let (status, answer) = if is_known { self.route(&request, &body) } else { unknown };
        let answer = answer.to_string();
        let length = answer.len();
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{answer}")
            .unwrap();
    }

    fn route(&self, request: &str, body: &[u8]) -> (&'static str, Value) {
        let mut words = request.split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let text = || {
            let body: Value = serde_json::from_slice(body).unwrap();
            body["body"].as_str().unwrap().to_owned()
        };
        let mut comments = self.comments.lock().unwrap();
        let id = path.rsplit('/').next().and_then(|last| last.parse::<usize>().ok());
        match (method, path, id) {
            ("GET", "/user", _) => ("200 OK", json!({ "username": BOT })),
            ("GET", "/repos/shop/oauth/issues/7/comments" | "/projects/1/merge_requests/7/notes", _) => {
                ("200 OK", page(&comments, query))
            }
            ("POST", "/repos/shop/oauth/issues/7/comments" | "/projects/1/merge_requests/7/notes", _) => {
                comments.push(Comment { author: BOT.to_owned(), body: text() });
                ("201 Created", json!({}))
            }
            ("PATCH" | "PUT", _, Some(id)) if id < comments.len() => {
                comments[id].body = text();
                ("200 OK", json!({}))
            }
            _ => ("404 Not Found", json!({})),
        }
    }
}

/// One page of the comments, in both forges' words.
fn page(comments: &[Comment], query: &str) -> Value {
    let number = |name: &str, default: usize| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map_or(default, |(_, value)| value.parse().unwrap())
    };
    let (size, page) = (number("per_page", 30), number("page", 1));
    let shown = comments.iter().enumerate().skip(size * (page - 1)).take(size);
    let shown = shown.map(|(id, Comment { author, body })| {
        json!({ "id": id, "body": body, "user": { "login": author }, "author": { "username": author } })
    });
    shown.collect()
}
