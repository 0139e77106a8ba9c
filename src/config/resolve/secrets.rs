//! Confidential values: from a reference in the file to the text that it stands for.
//!
//! Invariant: no problem made here contains the text, its length or a part of it.

use std::path::{Path, PathBuf};

use super::Context;
use crate::config::conceal::is_variable_name;
use crate::config::document::{Reference, Secret as Section};
use crate::config::problem::{Problem, Severity, Span};
use crate::config::slot::{Placed, Slot};
use crate::config::suggest::quoted;
use crate::config::surroundings::{Presence, describe};
use crate::config::values::{Literal, OrTable};
use crate::hasher::EncodedHash;
use crate::model::SecretDeclaration;
use crate::secret::{Flaws, Secret};

/// The code of a secret that no client can send.
pub(in crate::config) const UNSENDABLE: &str = "unsendable-secret";

/// The most bytes of a file that holds one secret.
const FILE_LIMIT: u64 = 64 * 1024;

const FORMS: &str =
    "write { env = \"NAME\" }, { file = \"PATH\" }, { hash = \"pbkdf2_sha256$…\" } or { generate = true }";

/// `client_secret`.
pub(super) fn client_secret(
    written: Placed<OrTable<Literal, Section>>,
    context: &Context<'_>,
) -> Option<SecretDeclaration> {
    let Placed { span, value, .. } = written;
    let Section { env, file, hash, generate } = match value {
        OrTable::Table(section) => section,
        OrTable::Plain(Literal) => {
            return context.reject(
                Problem::error("literal-secret", "a secret is never written into the file")
                    .at(span)
                    .label("not shown")
                    .hint(format!("{FORMS}; replace the secret that stood here, others may have seen it")),
            );
        }
    };
    let sources = [!env.is_absent(), !file.is_absent(), !hash.is_absent(), !generate.is_absent()];
    one_source(&sources, &span, FORMS, context)?;
    if let Some(hash) = hash.present() {
        return encoded(&hash, context).map(SecretDeclaration::Hash);
    }
    if let Some(generate) = generate.present() {
        if !generate.value {
            let problem = Problem::error("invalid-value", "`generate` can only be true").at(generate.span);
            return context
                .reject(problem.hint("leave `client_secret` out for a secret that is not managed"));
        }
        return Some(SecretDeclaration::Generate);
    }
    if context.presence == Presence::Withheld {
        return withheld(env, file, context);
    }
    let secret = referred(env, file, context)?;
    if let Err(flaws) = secret.check_sendable() {
        let problem = Problem::error(UNSENDABLE, format!("the secret {flaws}")).at(span).label("not shown");
        context.push(problem.hint(Flaws::HINT));
    }
    // The rest of the file is looked at all the same; with the error it is used for nothing but to say what was meant.
    Some(SecretDeclaration::Plain(secret))
}

/// Whether the reference can be one; what it refers to is not read.
fn withheld(env: Slot<String>, file: Slot<String>, context: &Context<'_>) -> Option<SecretDeclaration> {
    match env.present() {
        Some(name) => variable_name(&name, context)?,
        None => context.files.borrow_mut().push(place(&context.text("file", file)?, context)),
    }
    Some(SecretDeclaration::Withheld)
}

/// `{ env }` or `{ file }`.
pub(super) fn reference(written: Reference, span: &Span, context: &Context<'_>) -> Option<Secret> {
    let Reference { env, file } = written;
    let sources = [!env.is_absent(), !file.is_absent()];
    one_source(&sources, span, "write { env = \"NAME\" } or { file = \"PATH\" }", context)?;
    referred(env, file, context)
}

/// What to do about a secret that is no text.
const TEXT: &str = "it must be text; `openssl rand -hex 32` makes a secret that is";

fn one_source(sources: &[bool], span: &Span, hint: &str, context: &Context<'_>) -> Option<()> {
    let message = match sources.iter().filter(|is_written| **is_written).count() {
        1 => return Some(()),
        0 => "the table does not say where the secret is",
        _ => "the table names several sources of one secret",
    };
    let code = if sources.contains(&true) { "several-sources" } else { "missing-key" };
    context.reject(Problem::error(code, message).at(span.clone()).hint(hint))
}

fn encoded(written: &Placed<String>, context: &Context<'_>) -> Option<EncodedHash> {
    match EncodedHash::parse(&written.value) {
        Ok(hash) => Some(hash),
        Err(error) => {
            let problem = Problem::error("invalid-hash", error.to_string()).at(written.span.clone());
            context.reject(problem.label("not shown"))
        }
    }
}

fn referred(env: Slot<String>, file: Slot<String>, context: &Context<'_>) -> Option<Secret> {
    if let Some(name) = env.present() {
        return variable(&name, context);
    }
    let path = context.text("file", file)?;
    secret_file(&path, context)
}

fn variable_name(name: &Placed<String>, context: &Context<'_>) -> Option<()> {
    if is_variable_name(&name.value) {
        context.environment.borrow_mut().insert(name.value.clone());
        return Some(());
    }
    let problem = Problem::error("invalid-variable-name", "`env` is not the name of an environment variable");
    let problem = problem.at(name.span.clone()).label("not shown");
    context.reject(problem.hint("write the name of the variable, without `$`"))
}

/// Where a secret file is.
fn place(path: &Placed<String>, context: &Context<'_>) -> PathBuf {
    context.directory.join(Path::new(&path.value))
}

fn variable(name: &Placed<String>, context: &Context<'_>) -> Option<Secret> {
    let span = name.span.clone();
    variable_name(name, context)?;
    let subject = format!("the environment variable {}", quoted(&name.value));
    let Some(value) = (context.surroundings.variable)(&name.value) else {
        let hint = format!("set it, for example with: export {}=…", name.value);
        return context.unavailable("unset-variable", format!("{subject} is not set"), span, &hint);
    };
    let Ok(text) = value.into_string() else {
        return context.reject(
            Problem::error("secret-not-text", format!("{subject} is not UTF-8")).at(span).hint(TEXT),
        );
    };
    usable(Secret::new(text), &subject, span, context)
}

fn secret_file(path: &Placed<String>, context: &Context<'_>) -> Option<Secret> {
    let span = path.span.clone();
    let subject = format!("the file {}", quoted(&path.value));
    let place = place(path, context);
    context.files.borrow_mut().push(place.clone());
    let bytes = match (context.surroundings.file)(&place, FILE_LIMIT) {
        Ok(bytes) => bytes,
        Err(error) => {
            let hint = "`file` is the path of a file, seen from the directory of this one";
            return context.unavailable(
                "unreadable-file",
                format!("{subject} {}", describe(&error)),
                span,
                hint,
            );
        }
    };
    let Ok(secret) = Secret::from_utf8(without_newline(bytes)) else {
        return context.reject(
            Problem::error("secret-not-text", format!("{subject} is not UTF-8")).at(span).hint(TEXT),
        );
    };
    usable(secret, &subject, span, context)
}

/// Editors and `echo` end a file with a newline that is no part of the secret. Exactly one goes.
fn without_newline(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    bytes
}

fn usable(secret: Secret, subject: &str, span: Span, context: &Context<'_>) -> Option<Secret> {
    if secret.expose().contains('\0') {
        let problem = Problem::error("nul-byte", format!("{subject} contains a NUL byte")).at(span);
        return context.reject(problem.hint(TEXT));
    }
    if secret.expose().is_empty() {
        let hint = "put the value there";
        return context.unavailable("empty-secret", format!("{subject} is empty"), span, hint);
    }
    Some(secret)
}

impl Context<'_> {
    /// A secret that could not be read. `validate` does not need it.
    fn unavailable<T>(&self, code: &'static str, message: String, span: Span, hint: &str) -> Option<T> {
        let severity = match self.presence {
            Presence::Optional => Severity::Warning,
            // Withheld secrets are not looked for: what is missing is the database's address.
            Presence::Required | Presence::Withheld => Severity::Error,
        };
        self.reject(Problem::new(severity, code, message).at(span).hint(hint))
    }
}
