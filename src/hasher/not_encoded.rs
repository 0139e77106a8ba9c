//! Why a secret cannot be hashed.

/// A secret that could not be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("scrypt refuses the parameters that Django uses")]
pub struct NotEncoded;
