//! What of a row is written, and what is not.

use std::collections::BTreeMap;

use super::*;
use crate::config::edit::Written;
use crate::hasher::StoredSecret;
use crate::model::{Key, Named, Origin, Owner, Stored, StoredFields};

fn row(change: impl FnOnce(&mut Listed)) -> Listed {
    let mut row = Listed {
        stored: Stored {
            key: Key::new("1"),
            client_id: ClientId::new("web"),
            origin: Origin::Manual,
            fields: StoredFields {
                name: String::new(),
                client_type: "confidential".to_owned(),
                authorization_grant_type: "client-credentials".to_owned(),
                redirect_uris: String::new(),
                post_logout_redirect_uris: Some(String::new()),
                allowed_origins: Some(String::new()),
                algorithm: Some(String::new()),
                skip_authorization: false,
                hash_client_secret: Some(true),
                client_secret: StoredSecret::new("hunter2".to_owned()),
                token_endpoint_auth_method: Some(String::new()),
                client_jwks: Some(String::new()),
                client_jwks_uri: Some(String::new()),
                require_pushed_authorization_requests: None,
                user: None,
                columns: BTreeMap::new(),
            },
            fingerprint: String::new(),
        },
        created: None,
        updated: None,
        owner: None,
    };
    change(&mut row);
    row
}

fn lines(row: &Listed, wish: Wish) -> Vec<Line> {
    describe(row, &CustomColumns::new(), &Config::default(), wish).unwrap()
}

fn text(field: Field, value: &str) -> Line {
    Line::Field(field.into(), Written::Text(value.to_owned()))
}

#[test]
fn defaults_and_secrets_are_left_out() {
    let expected =
        [text(Field::ClientType, "confidential"), text(Field::AuthorizationGrantType, "client-credentials")];
    assert_eq!(lines(&row(|_| {}), Wish::default()), expected);
}

#[test]
fn full_means_every_column_of_the_schema() {
    let row = row(|row| row.stored.fields.allowed_origins = None);
    let fields: Vec<Field> = lines(&row, Wish { full: true, ..Wish::default() })
        .into_iter()
        .filter_map(|line| match line {
            Line::Field(Attribute::Field(field), _) => Some(field),
            _ => None,
        })
        .collect();
    let absent =
        [Field::AllowedOrigins, Field::ClientSecret, Field::RequirePushedAuthorizationRequests, Field::User];
    assert_eq!(
        fields,
        Field::ALL.iter().copied().filter(|field| !absent.contains(field)).collect::<Vec<_>>()
    );
}

/// What is no default is written: `false` is not NULL.
#[test]
fn how_a_client_authenticates_is_written() {
    let row = row(|row| {
        row.stored.fields.token_endpoint_auth_method = Some("private_key_jwt".to_owned());
        row.stored.fields.client_jwks_uri = Some("https://a.example/keys".to_owned());
        row.stored.fields.require_pushed_authorization_requests = Some(false);
    });
    let found = lines(&row, Wish::default());
    assert_eq!(
        found[2..],
        [
            text(Field::TokenEndpointAuthMethod, "private_key_jwt"),
            text(Field::ClientJwksUri, "https://a.example/keys"),
            Line::Field(Field::RequirePushedAuthorizationRequests.into(), Written::Flag(false)),
        ]
    );
}

#[test]
fn a_plain_secret_is_not_even_a_comment() {
    let lines = lines(&row(|_| {}), Wish { hashes: true, ..Wish::default() });
    let omitted = lines.iter().find(|line| matches!(line, Line::Omitted { .. })).unwrap();
    assert!(matches!(
        omitted,
        Line::Omitted { field: Attribute::Field(Field::ClientSecret), value: None, .. }
    ));
    assert!(!format!("{lines:?}").contains("hunter2"));
}

#[test]
fn only_hashes_that_are_slow_to_guess_are_written() {
    let wish = Wish { hashes: true, ..Wish::default() };
    for (stored, is_written) in [
        ("pbkdf2_sha256$1$salt$fUeF88U6jACxTcz+0g4E0LA6RKHP32pua2Q3m+bnf2s=", true),
        ("md5$salt$0123456789abcdef0123456789abcdef", false),
        ("sha1$salt$0123456789abcdef0123456789abcdef01234567", false),
        ("pbkdf2_sha256$1$salt$short", false),
    ] {
        let row = row(|row| row.stored.fields.client_secret = StoredSecret::new(stored.to_owned()));
        let lines = lines(&row, wish);
        let written =
            lines.iter().any(|line| matches!(line, Line::Field(Attribute::Field(Field::ClientSecret), _)));
        assert_eq!(written, is_written, "{stored}");
        assert!(!format!("{lines:?}").contains(stored));
    }
}

#[test]
fn mangled_lists_are_sets() {
    let row = row(|row| {
        row.stored.fields.redirect_uris =
            "\u{1c}https://b.example/\n\thttps://a.example/  https://b.example/".to_owned();
    });
    let uris = Written::Uris(vec!["https://b.example/".to_owned(), "https://a.example/".to_owned()]);
    assert!(lines(&row, Wish::default()).contains(&Line::Field(Field::RedirectUris.into(), uris)));
}

#[test]
fn what_validation_would_refuse_is_left_out_with_the_reason() {
    let row = row(|row| {
        row.stored.fields.client_type = "Confidential".to_owned();
        row.stored.fields.redirect_uris = "com.example.app:/cb https://a.example/".to_owned();
        row.stored.fields.algorithm = Some("RS256".to_owned());
    });
    let omitted: Vec<Field> = lines(&row, Wish::default())
        .into_iter()
        .filter_map(|line| match line {
            Line::Omitted { field: Attribute::Field(field), .. } => Some(field),
            _ => None,
        })
        .collect();
    assert_eq!(omitted, [Field::ClientType, Field::RedirectUris, Field::Algorithm]);
}

#[test]
fn an_owner_is_named_where_the_name_is_certain() {
    let owner = |exists, username: Option<&str>, is_unique| Owner {
        key: Key::new("7"),
        exists,
        name: username.map(|name| Named::new("username", name)),
        is_unique,
    };
    let written = |owner| {
        let row = row(|row| row.owner = Some(owner));
        lines(&row, Wish::default()).pop().unwrap()
    };
    let key = Line::Field(Field::User.into(), Written::UserKey("7".to_owned()));
    let name = Line::Field(Field::User.into(), Written::User(Named::new("username", "ops")));
    assert_eq!(written(owner(true, Some("ops"), true)), name);
    assert_eq!(written(owner(true, Some("ops"), false)), key);
    assert_eq!(written(owner(true, Some(""), true)), key);
    assert_eq!(written(owner(true, None, false)), key);
    assert!(matches!(
        written(owner(false, None, false)),
        Line::Omitted { field: Attribute::Field(Field::User), .. }
    ));
}

#[test]
fn a_client_id_that_no_file_can_have_is_refused() {
    for client_id in [String::new(), "x".repeat(256)] {
        let rows = vec![row(|row| row.stored.client_id = ClientId::new(client_id))];
        let import =
            import(rows, &CustomColumns::new(), &Config::default(), &BTreeMap::new(), Wish::default());
        assert!(import.changes.add.is_empty());
        assert!(matches!(import.remarks[..], [Remark { reason: Reason::Undeclarable(_), .. }]));
    }
}
