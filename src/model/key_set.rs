//! Private keys where public ones belong: in a client's JSON Web Key Set. They are never shown.

/// The members of a JSON Web Key that only a private or secret key has (RFC 7518 section 6).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Whether the text has a member that only a private key has. Also of text that is no JSON; rather once too often.
#[must_use]
pub fn holds_private_key(text: &str) -> bool {
    let mut pieces = text.split('"').peekable();
    std::iter::from_fn(|| pieces.next().map(|piece| (piece, pieces.peek().copied()))).any(|(piece, next)| {
        PRIVATE.contains(&piece) && next.is_some_and(|next| next.trim_start().starts_with(':'))
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
            ("", false),
        ] {
            assert_eq!(holds_private_key(text), expected, "{text}");
        }
    }
}
