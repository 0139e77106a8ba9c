//! A digest of text, by which it is recognised.

use sha2::{Digest as _, Sha256};

/// SHA-256, in hexadecimal digits.
#[must_use]
pub fn digest(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
