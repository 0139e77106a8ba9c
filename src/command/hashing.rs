//! How secrets are hashed and verified here: the recipe, a count on the terminal, and an end when a signal comes.

use std::ops::ControlFlow;

use super::environment::threads;
use super::session::Session;
use crate::config::Config;
use crate::plan::seal::Recipe;
use crate::ui::counter::Counter;

/// What the line says while declared secrets are verified.
pub const VERIFYING: &str = "Verifying secrets";

/// How secrets are made here.
#[must_use]
pub fn recipe(config: &Config) -> Recipe {
    let provider = &config.provider;
    let length = usize::from(provider.client_secret_generator_length.get());
    Recipe { hasher: provider.client_secret_hasher, length, threads: threads() }
}

/// Counts on the terminal what is hashed, and stops that when a signal comes.
pub fn watch(session: &Session, what: &'static str) -> impl FnMut(usize, usize) -> ControlFlow<()> + use<> {
    let (mut counter, token) = (Counter::new(&session.ui, what), session.interrupted.token.clone());
    move |done, total| {
        counter.advance(done, total);
        if token.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
