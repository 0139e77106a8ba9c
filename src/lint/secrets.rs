//! Secrets that are too short, kept in clear, or hashed in a way that the server may not know. Says names of
//! algorithms, never a secret nor its length.

use super::{Advice, Rule, recommended, strict};
use crate::hasher::{Availability, Hasher, StoredSecret};
use crate::model::{Application, Field, Provider, SecretDeclaration};
use crate::secret::Secret;

pub(super) static LOW_ITERATIONS: Rule = strict(
    "low-iterations",
    "PBKDF2 with fewer than 600,000 iterations of SHA-256, or 1,300,000 of SHA-1",
    "OWASP Password Storage Cheat Sheet",
);
pub(super) static PLAIN_SECRET: Rule = recommended(
    "plain-secret",
    "`hash_client_secret = false` without need: a copy of the database is a copy of the secrets",
    "RFC 6819 section 5.1.4.1.3",
);
pub(super) static PUBLIC_SECRET: Rule = recommended(
    "public-secret",
    "a secret for a public client, which cannot keep one",
    "RFC 8252 section 8.5",
);
pub(super) static SIGNING_SECRET: Rule = strict(
    "signing-secret",
    "HS256: the client secret is the signing key, so it is stored in clear and the client can sign ID tokens",
    "OpenID Connect Core 1.0 section 10.1",
);
pub(super) static SECRET_CHARACTERS: Rule = recommended(
    "secret-characters",
    "a secret with characters beyond printable ASCII: clients and servers may encode them differently",
    "RFC 6749 appendix A.2",
);
pub(super) static UNAVAILABLE_HASHER: Rule = recommended(
    "unavailable-hasher",
    "a hash of an algorithm that not every server has: one that lacks it takes the text of the hash for the secret",
    "DOT's `_check_secret`, from 2.0 to 3.4.1",
);
pub(super) static WEAK_SECRET: Rule = recommended(
    "weak-secret",
    "a secret of fewer than 22 characters, which holds less than 128 bits",
    "RFC 6749 section 10.10",
);

/// 128 bits in letters and digits.
const SHORTEST: usize = 22;

pub(super) fn advise(application: &Application, provider: &Provider) -> Vec<Advice> {
    let signs = application.algorithm.as_deref() == Some("HS256");
    let mut advice = Vec::new();
    if application.hash_client_secret == Some(false) && !signs {
        advice.push(
            Advice::of(
                &PLAIN_SECRET,
                Field::HashClientSecret,
                "the secret is stored in clear, and nothing here needs that",
            )
            .hint("leave `hash_client_secret` out; only HS256 needs a secret in clear"),
        );
    }
    if signs {
        advice.push(
            Advice::of(
                &SIGNING_SECRET,
                Field::Algorithm,
                "HS256 keeps the secret in clear, and the client can sign ID tokens itself",
            )
            .hint("use \"RS256\" where the server has a key"),
        );
    }
    let is_public = application.client_type.as_deref() == Some("public");
    match &application.client_secret {
        Some(SecretDeclaration::Plain(_) | SecretDeclaration::Hash(_) | SecretDeclaration::Generate)
            if is_public =>
        {
            advice.push(
                Advice::of(
                    &PUBLIC_SECRET,
                    Field::ClientSecret,
                    "a public client cannot keep a secret: whoever has the program has it",
                )
                .hint("leave `client_secret` out: DOT's column then holds a random secret that is not shown"),
            );
        }
        _ => {}
    }
    match &application.client_secret {
        Some(SecretDeclaration::Plain(secret)) => advice.extend(of_plain(secret)),
        Some(SecretDeclaration::Hash(hash)) => advice.extend(of_hash(hash.as_str())),
        Some(SecretDeclaration::Generate | SecretDeclaration::Rotate) | None => {}
    }
    advice.extend(too_few(iterations_of(provider.client_secret_hasher)).filter(|_| {
        // What this file will have hashed.
        matches!(application.client_secret, Some(SecretDeclaration::Plain(_) | SecretDeclaration::Generate))
            && application.hash_client_secret != Some(false)
    }));
    advice
}

/// Advice on a secret in plain text.
pub(super) fn of_plain(secret: &Secret) -> Vec<Advice> {
    let mut advice = Vec::new();
    if secret.expose().chars().count() < SHORTEST {
        advice.push(
            Advice::of(
                &WEAK_SECRET,
                Field::ClientSecret,
                format!("a secret of fewer than {SHORTEST} characters can be guessed"),
            )
            .hint("write { generate = true }, or take 22 random letters and digits or more"),
        );
    }
    // What no client can send is an error, not advice.
    if secret.is_unusual() && secret.check_sendable().is_ok() {
        advice.push(
            Advice::of(
                &SECRET_CHARACTERS,
                Field::ClientSecret,
                "the secret has characters beyond printable ASCII, which not every client and server encodes alike",
            )
            .hint("take letters and digits; `openssl rand -hex 32` makes such a secret"),
        );
    }
    advice
}

fn of_hash(text: &str) -> Option<Advice> {
    let algorithm = StoredSecret::new(text.to_owned()).algorithm()?;
    let availability = algorithm.availability();
    if availability != Availability::Stock {
        let message =
            format!("a server without {} takes the text of this hash for the secret", availability.needs());
        return Some(
            Advice::of(&UNAVAILABLE_HASHER, Field::ClientSecret, message)
                .hint("hash it with pbkdf2_sha256, which every Django has"),
        );
    }
    let mut parts = text.split('$');
    too_few((parts.next()?, parts.next()?.parse().ok()))
}

const fn iterations_of(hasher: Hasher) -> (&'static str, Option<u32>) {
    match hasher {
        Hasher::Pbkdf2Sha256 { iterations } => ("pbkdf2_sha256", Some(iterations)),
        Hasher::Pbkdf2Sha1 { iterations } => ("pbkdf2_sha1", Some(iterations)),
        Hasher::Scrypt => ("scrypt", None),
    }
}

fn too_few((algorithm, iterations): (&str, Option<u32>)) -> Option<Advice> {
    let enough = match algorithm {
        "pbkdf2_sha256" => 600_000,
        "pbkdf2_sha1" => 1_300_000,
        _ => return None,
    };
    let iterations = iterations.filter(|iterations| *iterations < enough)?;
    Some(Advice::of(
        &LOW_ITERATIONS,
        Field::ClientSecret,
        format!("{iterations} iterations of {algorithm} are few; {enough} are advised"),
    ))
}
