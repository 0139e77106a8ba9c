//! Why a stored hash says nothing about a secret here.

use super::algorithm::Algorithm;

/// Why a hash cannot be verified here. Reads well after "cannot verify the stored `scrypt` hash: ".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unverifiable {
    /// The costs in the hash are far beyond any sensible server's.
    #[error("its parameters ({parameters}) would take too long or too much memory")]
    TooExpensive {
        /// The costs as the row gives them.
        parameters: String,
    },
    /// Not a hasher that Django ships; a server may have it all the same.
    #[error("Django has no such hasher")]
    UnknownAlgorithm,
    /// A ciphertext of the project.
    #[error("the project has encrypted it, and only the project has the key")]
    Encrypted,
    /// A hasher that Django has dropped and this program never had.
    #[error("it depends on the server's C library, and Django {} dropped it", Algorithm::Crypt.removed_in())]
    Unsupported,
    /// More than the 72 bytes that bcrypt looks at.
    #[error(
        "the secret has more than 72 bytes, which the server's bcrypt cuts off before release 5.0 and refuses from \
        then on"
    )]
    TooLong,
}
