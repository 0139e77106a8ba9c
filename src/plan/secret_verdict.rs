//! What verification says of a declared secret.

/// What is known of a declared plain-text secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretVerdict {
    /// The stored value verifies.
    Matches,
    /// The stored value is of another secret.
    Differs,
    /// The stored value uses an algorithm or parameters that cannot be verified.
    CannotVerify,
}
