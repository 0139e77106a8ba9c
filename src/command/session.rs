//! What every verb starts with, and how a verb is run. The work is done elsewhere: `environment` reads the process,
//! `loading` the file, `reaching` finds the database, `answering` talks to people.

use super::environment;
use super::from_stdin::is_file;
use super::global::GlobalArgs;
use super::interrupted::Interrupted;
use super::verb_name::VerbName;
use crate::config::Config;
use crate::error::{Error, Exit};
use crate::model::Policy;
use crate::plan::seal::Known;
use crate::ui::{Chatter, Ui};

/// The streams, the global options and the signals of one run.
pub struct Session {
    pub ui: Ui,
    /// `--file`, `--format` and so on.
    pub global: GlobalArgs,
    /// The verb that is run.
    pub verb: VerbName,
    /// Set by SIGHUP, SIGINT or SIGTERM.
    pub interrupted: Interrupted,
    /// What has been found of declared secrets.
    pub known: Known,
    /// The file that was rejected because no client can send its secrets.
    pub flawed: Option<Config>,
}

impl Session {
    /// Opens the streams as the global options ask.
    #[must_use]
    pub fn new(global: GlobalArgs, verb: VerbName) -> Self {
        let chatter = if global.quiet { Chatter::Quiet } else { Chatter::Normal };
        let ui = Ui::new(global.color, chatter, environment::is_unicode(), environment::is_dumb());
        let interrupted = Interrupted::new(verb.unchanged());
        Self { ui, global, verb, interrupted, known: Known::default(), flawed: None }
    }

    /// Runs a verb that waits for the database, with signals listened to.
    ///
    /// # Errors
    /// The verb's.
    pub fn block_on<'a, A, F>(
        &'a mut self,
        verb: impl FnOnce(&'a mut Self, &'a A) -> F,
        args: &'a A,
    ) -> Result<Exit, Error>
    where
        F: Future<Output = Result<Exit, Error>>,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| Error::from_source(Exit::Failed, &error))?;
        runtime.block_on(async {
            self.interrupted.listen().map_err(|error| Error::from_source(Exit::Failed, &error))?;
            self.interrupted.clone().settled(verb(self, args)).await
        })
    }

    /// Refuses to use the ledger for a file that has no name: with that of a pipe, no later run would find its applications.
    ///
    /// # Errors
    /// With what to write.
    pub fn require_owner(&self, policy: &Policy) -> Result<(), Error> {
        if policy.owner.is_some() || is_file(&self.global.file) {
            return Ok(());
        }
        let message =
            "the ledger records which file manages an application, and this file is read from a pipe";
        Err(Error::usage(message).hint("give it a name in the file: [policy] owner = \"…\""))
    }

    /// Whose applications these are in the ledger: what the file calls itself, else its path as it was given.
    #[must_use]
    pub fn owner(&self, policy: &Policy) -> String {
        let path = || self.global.file.display().to_string();
        policy.owner.clone().unwrap_or_else(path)
    }
}
