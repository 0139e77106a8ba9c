//! Private keys where public ones belong: in a client's JSON Web Key Set. They are never shown.

/// The members of a JSON Web Key that only a private key has: RFC 7518 section 6, and `priv` of key type AKP.
pub const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "priv"];
/// The key itself where it is symmetric (`kty` is `oct`).
const SYMMETRIC: &str = "k";

/// Whether the text has a member that only a private or symmetric key has. The text need not be JSON. It may report too
/// much, never too little.
#[must_use]
pub fn holds_private_key(text: &str) -> bool {
    let mut pieces = text.split('"').peekable();
    std::iter::from_fn(|| pieces.next().map(|piece| (piece, pieces.peek().copied()))).any(|(piece, next)| {
        (PRIVATE.contains(&piece) || piece == SYMMETRIC)
            && next.is_some_and(|next| next.trim_start().starts_with(':'))
    })
}

/// The text, or words in its place.
#[must_use]
pub fn without_private_key(text: String) -> String {
    if holds_private_key(&text) { "(a private key, not shown)".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_members_are_seen_in_any_text() {
        for (text, expected) in [
            (r#"{"keys":[{"kty":"EC","crv":"P-256","x":"d","y":"k"}]}"#, false),
            (r#"{"keys":[{"kty":"EC","crv":"P-256","x":"a","y":"b","d" : "c"}]}"#, true),
            (r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]"#, true),
            (r#"{"keys":[{"kty":"AKP","alg":"ML-DSA-44","pub":"a"}]}"#, false),
            (r#"{"keys":[{"kty":"AKP","alg":"ML-DSA-44","pub":"a","priv":"b"}]}"#, true),
            ("", false),
        ] {
            assert_eq!(holds_private_key(text), expected, "{text}");
        }
    }
}
