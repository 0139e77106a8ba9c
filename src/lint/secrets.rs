//! Secrets that are too short, kept in clear, or hashed in a way that the server may not know. Says names of
//! algorithms, never a secret nor its length.

use super::{Advice, Rule};
use crate::hasher::{Availability, Hasher, StoredSecret};
use crate::model::{Application, Declared, Field, Provider, SecretDeclaration, StoredFields};
use crate::secret::Secret;

/// 128 bits in letters and digits.
const SHORTEST: usize = 22;

pub(super) fn advise(application: &Application, provider: &Provider) -> Vec<Advice> {
    let is_hs256 = application.algorithm.as_deref() == Some("HS256");
    let signs = is_hs256 || application.token_endpoint_auth_method.as_deref() == Some("client_secret_jwt");
    let mut advice = Vec::new();
    if application.hash_client_secret == Some(false) && !signs {
        advice.push(Advice::of(
            Rule::PlainSecret,
            Field::HashClientSecret,
            "the secret is stored in clear, and nothing here needs that",
            "leave `hash_client_secret` out; only HS256 and client_secret_jwt need a secret in clear",
        ));
    }
    if signs && !is_hs256 {
        advice.push(Advice::of(
            Rule::SigningSecret,
            Field::TokenEndpointAuthMethod,
            "client_secret_jwt keeps the secret in clear",
            "use \"private_key_jwt\" where the client can have a key pair",
        ));
    }
    if is_hs256 {
        advice.push(Advice::of(
            Rule::SigningSecret,
            Field::Algorithm,
            "HS256 keeps the secret in clear, and the client can sign ID tokens itself",
            "use \"RS256\" where the server has a key",
        ));
    }
    let is_public = application.client_type.as_deref() == Some("public");
    if is_public && !matches!(application.client_secret, Some(SecretDeclaration::Rotate) | None) {
        advice.push(Advice::of(
            Rule::PublicSecret,
            Field::ClientSecret,
            "a public client cannot keep a secret: everyone who has the program has it",
            "leave `client_secret` out: DOT's column then holds a random secret that is not shown",
        ));
    }
    match &application.client_secret {
        Some(SecretDeclaration::Plain(secret)) => advice.extend(of_plain(secret)),
        Some(SecretDeclaration::Hash(hash)) => advice.extend(of_hash(hash.as_str())),
        Some(SecretDeclaration::Withheld | SecretDeclaration::Generate | SecretDeclaration::Rotate)
        | None => {}
    }
    advice.extend(too_few(iterations_of(provider.client_secret_hasher)).filter(|_| {
        // What this file will have hashed.
        let declared = &application.client_secret;
        let is_hashed_here = matches!(
            declared,
            Some(SecretDeclaration::Plain(_) | SecretDeclaration::Withheld | SecretDeclaration::Generate)
        );
        is_hashed_here && application.hash_client_secret != Some(false)
    }));
    advice
}

/// Advice on a secret that `apply` leaves in clear in a row that says afterwards that it is hashed.
pub(super) fn of_row(declared: &Declared, row: &StoredFields) -> Option<Advice> {
    let stored = &row.client_secret;
    let is_plain = !stored.expose().is_empty() && !stored.is_hashed() && stored.foreign().is_none();
    if declared.sets_secret()
        || !is_plain
        || declared.managed_hash_flag().or(row.hash_client_secret) != Some(true)
    {
        return None;
    }
    let message = if row.hash_client_secret == Some(true) {
        "the stored secret is in clear, although hash_client_secret is true in the row"
    } else {
        "hash_client_secret becomes true, and the stored secret stays in clear"
    };
    Some(Advice::of(
        Rule::UnhashedSecret,
        Field::ClientSecret,
        message,
        "to keep the secret, declare it with { env = \"NAME\" }, or with the { hash = \"…\" } that `oauthctl hash-secret` makes \
         of it: `apply` stores the hash; `oauthctl rotate-secret CLIENT_ID` makes a new one; `oauthctl doctor` prints how \
         Django hashes all of them",
    ))
}

/// Advice on a secret in plain text.
pub(super) fn of_plain(secret: &Secret) -> Vec<Advice> {
    let mut advice = Vec::new();
    if secret.expose().chars().count() < SHORTEST {
        advice.push(Advice::of(
            Rule::WeakSecret,
            Field::ClientSecret,
            format!("a secret of fewer than {SHORTEST} characters can be guessed"),
            "write { generate = true }, or take 22 random letters and digits or more",
        ));
    }
    // What no client can send is an error, not advice.
    if secret.is_unusual() && secret.check_sendable().is_ok() {
        advice.push(Advice::of(
            Rule::SecretCharacters,
            Field::ClientSecret,
            "the secret has characters beyond printable ASCII, which not every client and server encodes alike",
            "take letters and digits; `openssl rand -hex 32` makes such a secret",
        ));
    }
    advice
}

fn of_hash(text: &str) -> Option<Advice> {
    let algorithm = StoredSecret::new(text.to_owned()).algorithm()?;
    let availability = algorithm.availability();
    if availability != Availability::Stock {
        let message =
            format!("a server without {} takes the text of this hash for the secret", availability.needs());
        return Some(Advice::of(
            Rule::UnavailableHasher,
            Field::ClientSecret,
            message,
            "hash it with pbkdf2_sha256, which every Django has",
        ));
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
        Rule::LowIterations,
        Field::ClientSecret,
        format!("{iterations} iterations of {algorithm} are few; {enough} are advised"),
        None,
    ))
}
