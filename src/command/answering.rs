//! Talks to people: the answer on stdout, a question on the terminal, a secret that is shown once.

use std::io::{self, IsTerminal as _};

use nix::errno::Errno;

use super::Format;
use super::session::Session;
use crate::error::{Error, Exit};
use crate::model::ClientId;
use crate::secret::Secret;
use crate::ui::Reader;
use crate::ui::plan::visible;

impl Session {
    /// The answer, on stdout. A reader that has gone away changes nothing: neither what follows nor the exit code.
    ///
    /// # Errors
    /// Any other reason why stdout cannot be written.
    pub fn answer(&mut self, text: &str) -> Result<(), Error> {
        self.ui.answer(text).map(|_| ()).map_err(|error| unwritable(&error))
    }

    /// The same for people: broken between words on a terminal. With another format than text, exactly as it is.
    ///
    /// # Errors
    /// As [`Session::answer`].
    pub fn tell(&mut self, text: &str) -> Result<(), Error> {
        match self.global.format {
            Format::Text => self.ui.tell(text).map(|_| ()).map_err(|error| unwritable(&error)),
            Format::Json
            | Format::Markdown
            | Format::Html
            | Format::Sarif
            | Format::Github
            | Format::Gitlab => self.answer(text),
        }
    }

    /// The same for a long answer, in pieces of whole lines.
    ///
    /// # Errors
    /// As [`tell`](Self::tell).
    pub fn tell_pieces(&mut self, mut pieces: impl Iterator<Item = String>) -> Result<(), Error> {
        pieces.try_for_each(|piece| self.tell(&piece))
    }

    /// The same for an answer whose lines are broken already, or must not be.
    ///
    /// # Errors
    /// As [`tell`](Self::tell).
    pub fn tell_whole(&mut self, text: &str) -> Result<(), Error> {
        match self.global.format {
            Format::Text => self.ui.tell_whole(text).map(|_| ()).map_err(|error| unwritable(&error)),
            Format::Json
            | Format::Markdown
            | Format::Html
            | Format::Sarif
            | Format::Github
            | Format::Gitlab => self.answer(text),
        }
    }

    /// Asks for "yes". A signal is no.
    ///
    /// # Errors
    /// The interruption, or the terminal's.
    pub async fn confirm(&mut self, question: &str) -> Result<bool, Error> {
        let answer = self.answer_to(question).await?;
        Ok(answer.is_some_and(|answer| answer.trim() == "yes"))
    }

    /// Asks, and reads a line; `None`: the input has ended.
    ///
    /// # Errors
    /// The interruption, or the terminal's.
    pub async fn answer_to(&mut self, question: &str) -> Result<Option<String>, Error> {
        // What hangs up may be seen at either side of the terminal before its SIGHUP arrives.
        let interrupted = self.interrupted.clone();
        let failed = |error: &io::Error| match error.raw_os_error() {
            Some(errno) if errno == Errno::EIO as i32 => interrupted.ended(Exit::HungUp),
            _ => Error::from_source(Exit::Failed, error).context("cannot ask"),
        };
        self.ui.ask(question).map_err(|error| failed(&error))?;
        let (sender, answer) = tokio::sync::oneshot::channel();
        // A thread of its own: reading a terminal cannot be interrupted, and nothing joins this one.
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = io::stdin().read_line(&mut line).map(|length| (length > 0).then_some(line));
            // After a signal the receiver is gone.
            let _ = sender.send(read);
        });
        let read = tokio::select! {
            biased;
            _ = interrupted.wait() => return Err(interrupted.stopped()),
            read = answer => read.unwrap_or(Ok(None)),
        };
        let read = read.map_err(|error| failed(&error))?;
        // The end of what is no terminal any more is no answer.
        if io::stdin().is_terminal() { Ok(read) } else { Err(interrupted.ended(Exit::HungUp)) }
    }

    /// Shows a secret, once, on stdout. Warns if stdout was closed: the secret cannot be shown again.
    ///
    /// # Errors
    /// As [`Session::answer`].
    pub fn reveal(&mut self, label: &str, client_id: &ClientId, secret: &Secret) -> Result<(), Error> {
        let line = zeroize::Zeroizing::new(format!("{label}: {}\n", secret.expose()));
        self.reveal_text(&line, client_id)
    }

    /// The same for a text that has the secret of an application in it.
    ///
    /// # Errors
    /// As [`Session::answer`].
    pub fn reveal_text(&mut self, text: &str, client_id: &ClientId) -> Result<(), Error> {
        let reader = self.ui.answer(text).map_err(|error| unwritable(&error))?;
        if reader == Reader::Gone {
            let name = visible(client_id.as_str());
            self.ui.warning(format_args!("the secret of {name} was not read: stdout was closed."));
            self.ui.hint(format_args!("`oauthctl rotate-secret {name}` makes a new one"));
        }
        Ok(())
    }
}

fn unwritable(error: &io::Error) -> Error {
    Error::from_source(Exit::Failed, error).context("cannot write the answer")
}
