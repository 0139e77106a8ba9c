//! A hash that is to be computed, and what is then made of it.

use super::pbkdf2::{self, Stream};
use crate::secret::Secret;

/// What is made of the digest.
type Finish<'a, O> = Box<dyn FnOnce([u8; 32]) -> O + Send + 'a>;

/// A computation that has not begun.
pub(super) enum Task<'a, O> {
    /// PBKDF2-SHA256, which shares a core well with others of its kind.
    Rounds { secret: &'a Secret, salt: &'a str, iterations: u32, finish: Finish<'a, O> },
    /// A computation of another kind, or none at all.
    Whole {
        /// About how long it takes, in rounds of PBKDF2-SHA256.
        cost: u64,
        work: Box<dyn FnOnce() -> O + Send + 'a>,
    },
}

/// A computation of PBKDF2-SHA256 that has begun.
pub(super) struct Running<'a, O> {
    pub(super) stream: Stream<8>,
    finish: Finish<'a, O>,
}

impl<'a, O> Task<'a, O> {
    /// What is known without much work.
    pub(super) fn known(work: impl FnOnce() -> O + Send + 'a) -> Self {
        Self::whole(0, work)
    }

    /// What runs alone. `cost` is only compared with that of the tasks beside it.
    pub(super) fn whole(cost: u64, work: impl FnOnce() -> O + Send + 'a) -> Self {
        Self::Whole { cost, work: Box::new(work) }
    }

    /// The same, of which something else is made.
    pub(super) fn then<P>(self, make: impl FnOnce(O) -> P + Send + 'a) -> Task<'a, P>
    where
        O: 'a,
    {
        match self {
            Self::Rounds { secret, salt, iterations, finish } => Task::Rounds {
                secret,
                salt,
                iterations,
                finish: Box::new(move |digest| make(finish(digest))),
            },
            Self::Whole { cost, work } => Task::Whole { cost, work: Box::new(move || make(work())) },
        }
    }

    /// About how long it takes, in rounds of PBKDF2-SHA256: a tenth of a microsecond each, with SHA extensions.
    pub(super) fn cost(&self) -> u64 {
        match self {
            Self::Rounds { iterations, .. } => u64::from(*iterations),
            Self::Whole { cost, work: _ } => *cost,
        }
    }

    /// Does it, alone.
    pub(super) fn run(self) -> O {
        match self {
            Self::Rounds { secret, salt, iterations, finish } => {
                let mut running = Running::begin(secret, salt, iterations, finish);
                pbkdf2::advance(&mut [&mut running.stream], u32::MAX);
                running.finish()
            }
            Self::Whole { cost: _, work } => work(),
        }
    }
}

impl<'a, O> Running<'a, O> {
    pub(super) fn begin(secret: &Secret, salt: &str, iterations: u32, finish: Finish<'a, O>) -> Self {
        let stream = pbkdf2::sha256(secret.expose().as_bytes(), salt.as_bytes(), iterations);
        Self { stream, finish }
    }

    /// What is made of the digest, when all rounds are done.
    pub(super) fn finish(self) -> O {
        (self.finish)(self.stream.digest())
    }
}
