//! What a file of secrets looks like: JSON, environment variables or a Kubernetes Secret.
//!
//! Every name in a file leads to one client id: where two would share one, nothing is written.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// How secrets are written, by the extension of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `.json`: one object, client id → secret.
    Json,
    /// `.env`: one `NAME=value` a line, read the same by shells, Docker and the dotenv libraries.
    Env,
    /// `.yaml`, `.yml`: a manifest of a Kubernetes Secret, for `kubectl apply -f`.
    Kubernetes,
}

impl Format {
    /// The format that a file's name asks for; a file called `.env` is one too.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let (_, extension) = name.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "json" => Some(Self::Json),
            "env" => Some(Self::Env),
            "yaml" | "yml" => Some(Self::Kubernetes),
            _ => None,
        }
    }

    /// The content of the file. `path` gives a Kubernetes Secret its name.
    pub(super) fn render(self, path: &Path, secrets: &[(&str, &Secret)]) -> Result<Zeroizing<String>, Unfit> {
        let entries = self.entries(secrets)?;
        // Room for the worst escapes, so that the text never moves and leaves a copy behind.
        let longest: usize =
            entries.iter().map(|(name, entry)| 6 * (name.len() + entry.secret.expose().len()) + 16).sum();
        let mut text = Zeroizing::new(String::with_capacity(longest + 1024));
        match self {
            Self::Json => json(&mut text, &entries)?,
            Self::Env => env(&mut text, &entries)?,
            Self::Kubernetes => kubernetes(&mut text, &manifest_name(path), &entries),
        }
        Ok(text)
    }

    /// The names of this format, sorted.
    fn entries<'a>(self, secrets: &[(&'a str, &'a Secret)]) -> Result<BTreeMap<String, Entry<'a>>, Unfit> {
        let mut entries: BTreeMap<String, Entry<'a>> = BTreeMap::new();
        for &(client_id, secret) in secrets {
            let name = match self {
                Self::Json => client_id.to_owned(),
                Self::Env => variable(client_id),
                Self::Kubernetes => manifest_key(client_id)?,
            };
            if let Some(other) = entries.get(&name) {
                let (first, second) = (other.client_id.to_owned(), client_id.to_owned());
                return Err(Unfit::Collision { name, first, second });
            }
            entries.insert(name, Entry { client_id, secret });
        }
        Ok(entries)
    }
}

struct Entry<'a> {
    client_id: &'a str,
    secret: &'a Secret,
}

const NOTE: &str = "# Client secrets, shown this once. Keep this file out of version control.\n";

fn json(text: &mut String, entries: &BTreeMap<String, Entry<'_>>) -> Result<(), Unfit> {
    let quoted = |value: &str, entry: &Entry<'_>| {
        serde_json::to_string(value)
            .map(Zeroizing::new)
            .map_err(|_| Unfit::Value { client_id: entry.client_id.to_owned() })
    };
    text.push('{');
    for (index, (name, entry)) in entries.iter().enumerate() {
        text.push_str(if index == 0 { "\n  " } else { ",\n  " });
        text.push_str(&quoted(name, entry)?);
        text.push_str(": ");
        text.push_str(&quoted(entry.secret.expose(), entry)?);
    }
    text.push_str(if entries.is_empty() { "}\n" } else { "\n}\n" });
    Ok(())
}

/// No quotes: shells take them off, Docker leaves them on.
fn env(text: &mut String, entries: &BTreeMap<String, Entry<'_>>) -> Result<(), Unfit> {
    text.push_str(NOTE);
    for (name, entry) in entries {
        let value = entry.secret.expose();
        if !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte)) {
            return Err(Unfit::Value { client_id: entry.client_id.to_owned() });
        }
        for part in [name, "=", value, "\n"] {
            text.push_str(part);
        }
    }
    Ok(())
}

/// `data` with base64 rather than `stringData`: so that YAML interprets nothing in the secret.
fn kubernetes(text: &mut String, name: &str, entries: &BTreeMap<String, Entry<'_>>) {
    text.push_str(NOTE);
    text.push_str("apiVersion: v1\nkind: Secret\nmetadata:\n  name: \"");
    text.push_str(name);
    text.push_str("\"\ntype: Opaque\n");
    text.push_str(if entries.is_empty() { "data: {}\n" } else { "data:\n" });
    for (key, entry) in entries {
        let value = Zeroizing::new(BASE64.encode(entry.secret.expose()));
        for part in ["  \"", key, "\": \"", &value, "\"\n"] {
            text.push_str(part);
        }
    }
}

/// `WEB_CLIENT_SECRET` of `web`. POSIX names begin with no digit.
fn variable(client_id: &str) -> String {
    let mut name: String = client_id
        .chars()
        .map(|character| if character.is_ascii_alphanumeric() { character.to_ascii_uppercase() } else { '_' })
        .collect();
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name + "_CLIENT_SECRET"
}

/// A key that Kubernetes' `IsConfigMapKey` takes: `[-._a-zA-Z0-9]+`, at most 253, not `.` and not beginning with `..`.
fn manifest_key(client_id: &str) -> Result<String, Unfit> {
    let mut key: String = client_id
        .chars()
        .map(|character| match character {
            '-' | '.' | '_' => character,
            _ if character.is_ascii_alphanumeric() => character,
            _ => '_',
        })
        .collect();
    if key == "." || key.starts_with("..") {
        key.replace_range(..1, "_");
    }
    if key.is_empty() || key.len() > 253 {
        return Err(Unfit::Key { client_id: client_id.to_owned() });
    }
    Ok(key)
}

/// A DNS-1123 subdomain out of the file's name without its extension: labels of `[a-z0-9-]`, at most 253 in all.
fn manifest_name(path: &Path) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let clean: String = stem
        .chars()
        .map(|character| if character == '.' || character.is_ascii_alphanumeric() { character } else { '-' })
        .take(253)
        .collect();
    let labels: Vec<&str> =
        clean.split('.').map(|label| label.trim_matches('-')).filter(|label| !label.is_empty()).collect();
    if labels.is_empty() { "oauth-client-secrets".to_owned() } else { labels.join(".") }
}

/// What a format cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Two client ids lead to one name.
    #[error("the client ids {first:?} and {second:?} would both be called {name}")]
    Collision {
        /// The name in the file.
        name: String,
        /// The client id that has it.
        first: String,
        /// The client id that would have it too.
        second: String,
    },
    /// A client id that leads to no name.
    #[error("the client id {client_id:?} makes no key of a Kubernetes Secret: 1 to 253 characters")]
    Key { client_id: String },
    /// A secret with characters that readers of the format disagree about.
    #[error("the secret of {client_id:?} has characters that not all readers of the format agree about")]
    Value { client_id: String },
}
