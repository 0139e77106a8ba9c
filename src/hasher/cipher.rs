//! Secrets that the project encrypts before Django stores them. Only the project has the key, so nothing here can be
//! compared, and a value written in its place would undo the encryption.

/// How a stored secret is encrypted, as far as its form shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cipher {
    /// `$encrypted$UTF8$AESCBC$…`: AWX, Ascender, django-ansible-base.
    Awx,
    /// A Fernet token, as the `cryptography` package and the field libraries on top of it make them.
    Fernet,
    /// `vault:v1:…`: the transit engine of Vault.
    Vault,
}

/// A Fernet token of an empty text has 100 characters. Shorter ones are taken too: a random secret of 62 letters and
/// digits begins with `gAAAA` once in 916 million times.
const FERNET_SHORTEST: usize = 20;

impl Cipher {
    /// What the text is by its form; `None`: not known to be encrypted.
    pub(super) fn of(text: &str) -> Option<Self> {
        if text.starts_with("$encrypted$") {
            Some(Self::Awx)
        } else if is_fernet(text) {
            Some(Self::Fernet)
        } else if is_vault(text) {
            Some(Self::Vault)
        } else {
            None
        }
    }

    /// What people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Awx => "`$encrypted$`, as AWX writes it",
            Self::Fernet => "a Fernet token",
            Self::Vault => "a ciphertext of Vault",
        }
    }
}

/// The version byte 0x80 and the first bytes of a timestamp before the year 2106, in URL-safe base64.
fn is_fernet(text: &str) -> bool {
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=".contains(&byte);
    text.starts_with("gAAAA") && text.len() >= FERNET_SHORTEST && text.bytes().all(is_base64)
}

fn is_vault(text: &str) -> bool {
    let version = text.strip_prefix("vault:v").and_then(|rest| rest.split_once(':'));
    version.is_some_and(|(version, data)| {
        !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit()) && !data.is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ciphertexts_are_told_by_their_form() {
        // From Python: cryptography.fernet.Fernet(key).encrypt(b"s3cret").
        let fernet = "gAAAAABoqm3pYb4r0nSl7rE4cS4m3rWcVYw9n5Jc0o3T9a2oN0n9PB9S0vT3k2p1vZy8w4bYtq3bq2gJ7z5d1b8uVqkqg0sO1Q==";
        for (text, cipher) in [
            ("$encrypted$UTF8$AESCBC$Z0FBQUFBQm9xbTNw", Some(Cipher::Awx)),
            ("$encrypted$AESCBC$Z0FB", Some(Cipher::Awx)),
            ("$encrypted$", Some(Cipher::Awx)),
            (fernet, Some(Cipher::Fernet)),
            ("vault:v1:8SDd3WHDOjf7mq69CyCqYjBXAiQQAVZRkFM13ok481zoCmHnSeDX9vyf7w==", Some(Cipher::Vault)),
            ("", None),
            ("gAAAA", None),
            ("gAAAAABoqm3pYb4r0nSl with a blank", None),
            ("vault:v:x", None),
            ("vault:v1:", None),
            ("vault:vx:y", None),
            ("encrypted", None),
            ("pbkdf2_sha256$600000$salt$fUeF88U6jACxTcz+0g4E0LA6RKHP32pua2Q3m+bnf2s=", None),
            ("hunter2", None),
        ] {
            assert_eq!(Cipher::of(text), cipher, "{text}");
        }
    }
}
