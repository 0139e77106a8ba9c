//! Names that announce a secret. Rather one too many: what they name is neither shown nor digested.

/// Parts of a name that announce one.
const WORDS: [&str; 11] = [
    "secret",
    "passw",
    "private_key",
    "credential",
    "api_key",
    "apikey",
    "access_key",
    "signing_key",
    "encryption_key",
    "hmac",
    "token_value",
];

/// Whether a column of such a name probably holds a secret, if it holds text.
#[must_use]
pub fn announces_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    WORDS.iter().any(|word| name.contains(word)) || name.ends_with("token")
}
