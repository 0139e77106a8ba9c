//! Whole applications, judged as the real `full_clean()` judged them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::*;
use crate::model::{Field, UriRules};

fn list(text: &str) -> Vec<String> {
    vec![text.to_owned()]
}

/// A confidential web application without faults.
fn good(uris: &[String]) -> Candidate<'_> {
    let mut candidate = Candidate::new_in_dot(&Provider::default());
    candidate.client_id = Some(ClientIdFacts { text: "web", taken: false });
    with(
        candidate,
        &[
            (Field::RedirectUris, Fact::Uris(uris)),
            (Field::ClientType, Fact::Text("confidential")),
            (Field::AuthorizationGrantType, Fact::Text("authorization-code")),
        ],
    )
}

fn with<'a>(mut candidate: Candidate<'a>, facts: &[(Field, Fact<'a>)]) -> Candidate<'a> {
    for (field, fact) in facts {
        candidate.know(*field, *fact);
    }
    candidate
}

/// The messages, as `field: message`.
fn messages(candidate: &Candidate<'_>, provider: &Provider) -> Vec<String> {
    let violations = full_clean(candidate, provider, Schema::default());
    violations.iter().map(|violation| format!("{}: {violation}", violation.subject)).collect()
}

#[test]
fn whole_fields_are_judged_as_by_dot() {
    let mut judged = 0;
    for file in [
        include_str!("../../tests/data/cases/redirect_uri_cases.json"),
        include_str!("../../tests/data/cases/origin_cases.json"),
    ] {
        let file: Value = serde_json::from_str(file).unwrap();
        for case in file["whole_field_cases"].as_array().unwrap() {
            let text = |key: &str| case[key].as_str().unwrap();
            let mut provider = Provider::default();
            let settings = &case["settings"];
            if let Ok(schemes) = serde_json::from_value(settings["ALLOWED_REDIRECT_URI_SCHEMES"].clone()) {
                provider.allowed_redirect_uri_schemes = schemes;
            }
            provider.allow_uri_wildcards = settings["ALLOW_URI_WILDCARDS"] == true;
            let (uris, origins) = (list(text("redirect_uris")), list(text("allowed_origins")));
            let candidate = with(
                good(&uris),
                &[
                    (Field::AuthorizationGrantType, Fact::Text(text("authorization_grant_type"))),
                    (Field::AllowedOrigins, Fact::Uris(&origins)),
                ],
            );
            let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
            for violation in full_clean(&candidate, &provider, Schema::default()) {
                found.entry(violation.subject.key()).or_default().push(violation.to_string());
            }
            let expected: Option<BTreeMap<&str, Vec<String>>> = case["errors"].as_object().map(|errors| {
                errors
                    .iter()
                    .map(|(field, messages)| {
                        (field.as_str(), serde_json::from_value(messages.clone()).unwrap())
                    })
                    .collect()
            });
            assert_eq!(found, expected.unwrap_or_default(), "{case}");
            judged += 1;
        }
    }
    assert_eq!(judged, 22);
}

#[test]
fn a_bare_new_application_lacks_two_things() {
    let provider = Provider::default();
    assert_eq!(
        messages(&Candidate::new_in_dot(&provider), &provider),
        ["client_type: This field cannot be blank.", "authorization_grant_type: This field cannot be blank.",]
    );
}

#[test]
fn what_is_not_known_is_not_judged() {
    assert_eq!(messages(&Candidate::default(), &Provider::default()), [""; 0]);
}

#[test]
fn every_problem_is_reported_at_its_place() {
    let long = "é".repeat(256);
    let uris = [list("https://ok.example/cb"), list("ftp://a https://b/#c")].concat();
    let origins = list("https://o.example/");
    let mut candidate = with(
        Candidate::default(),
        &[
            (Field::RedirectUris, Fact::Uris(&uris)),
            (Field::ClientType, Fact::Text("x'y")),
            (Field::AuthorizationGrantType, Fact::Text("authorization_code")),
            (Field::ClientSecret, Fact::Secret(SecretFacts { length: 256, hashed: true })),
            (Field::HashClientSecret, Fact::Flag(false)),
            (Field::Name, Fact::Text(&long)),
            (Field::Algorithm, Fact::Text("HS256")),
            (Field::AllowedOrigins, Fact::Uris(&origins)),
        ],
    );
    candidate.client_id = Some(ClientIdFacts { text: &long, taken: true });
    candidate.user = Some(Owner::NotAKey { key: KeyType::Integer, value: "u" });
    let violations = full_clean(&candidate, &Provider::default(), Schema::default());
    let shown: Vec<_> = violations.iter().map(|v| format!("{} {:?} {v}", v.subject, v.index)).collect();
    assert_eq!(
        shown,
        [
            "client_id None Ensure this value has at most 255 characters (it has 256).",
            "user None “u” value must be an integer.",
            "client_type None Value \"x'y\" is not a valid choice.",
            "authorization_grant_type None Value 'authorization_code' is not a valid choice.",
            "client_secret None Ensure this value has at most 255 characters (it has 256).",
            "client_secret None You cannot use HS256 with a hashed client secret. For HS256 the client secret is the \
             shared signing key and must be stored unhashed so the relying party can verify the token; set \
             hash_client_secret=False and store an unhashed client_secret on this application.",
            "name None Ensure this value has at most 255 characters (it has 256).",
            "redirect_uris Some(1) redirect uri URI Validation error. invalid_scheme: ftp://a",
            "redirect_uris Some(1) redirect uri URI validation error. fragment not allowed: https://b/#c",
            "allowed_origins Some(0) allowed origin URI validation error. path not allowed: https://o.example/",
        ]
    );
}

#[test]
fn algorithms_have_conditions() {
    let uris = list("https://a.example/cb");
    let (off, mut on) = (Provider::default(), Provider::default());
    on.oidc_rsa_private_key = true;
    let algorithm = |name| (Field::Algorithm, Fact::Text(name));
    let rs256 = with(good(&uris), &[algorithm("RS256")]);
    assert_eq!(messages(&rs256, &off), ["algorithm: You must set OIDC_RSA_PRIVATE_KEY to use RSA algorithm"]);
    assert_eq!(messages(&rs256, &on), [""; 0]);

    let hs256 = with(good(&uris), &[algorithm("HS256"), (Field::HashClientSecret, Fact::Flag(false))]);
    assert_eq!(messages(&hs256, &off), [""; 0]);
    let wrong = |field, fact| -> Vec<&str> {
        let candidate = with(hs256.clone(), &[(field, fact)]);
        full_clean(&candidate, &off, Schema::default())
            .iter()
            .map(|violation| violation.subject.key())
            .collect()
    };
    let secret = |length, hashed| Fact::Secret(SecretFacts { length, hashed });
    assert_eq!(wrong(Field::ClientType, Fact::Text("public")), ["algorithm"]);
    assert_eq!(wrong(Field::AuthorizationGrantType, Fact::Text("implicit")), ["algorithm"]);
    assert_eq!(wrong(Field::ClientSecret, secret(0, false)), ["client_secret"]);
    assert_eq!(wrong(Field::ClientSecret, secret(80, true)), ["client_secret"]);
    assert_eq!(wrong(Field::HashClientSecret, Fact::Flag(true)), ["hash_client_secret"]);
    let mut unknown = hs256.clone();
    unknown.forget(Field::ClientSecret);
    unknown.forget(Field::HashClientSecret);
    assert_eq!(messages(&unknown, &off), [""; 0]);
    assert_eq!(
        messages(&with(good(&uris), &[algorithm("ES256")]), &off),
        ["algorithm: Value 'ES256' is not a valid choice."]
    );
}

#[test]
fn the_database_has_its_say() {
    let uris = list("https://a.example/cb");
    let provider = Provider::default();
    let mut taken = good(&uris);
    taken.client_id = Some(ClientIdFacts { text: "web", taken: true });
    assert_eq!(messages(&taken, &provider), ["client_id: Application with this Client ID already exists."]);
    let user = |owner| {
        let mut candidate = good(&uris);
        candidate.user = Some(owner);
        messages(&candidate, &provider)
    };
    assert_eq!(user(Owner::Found), [""; 0]);
    let missing = |key, value| user(Owner::Missing { column: "id", key, value });
    assert_eq!(
        missing(KeyType::Integer, "9999"),
        ["user: user instance with id 9999 is not a valid choice."]
    );
    assert_eq!(missing(KeyType::Text, "bob"), ["user: user instance with id 'bob' is not a valid choice."]);
    assert_eq!(
        missing(KeyType::Uuid, "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6"),
        ["user: user instance with id UUID('f81d4fae-7dec-11d0-a765-00a0c91e6bf6') is not a valid choice."]
    );
    assert_eq!(user(Owner::NotAKey { key: KeyType::Uuid, value: "x" }), ["user: “x” is not a valid UUID."]);
}

#[test]
fn older_schemas_know_less() {
    let uris = list("");
    let old = Schema { client_id_length: Some(100), device_grant: false, ..Schema::default() };
    let long = "c".repeat(101);
    let grant = Fact::Text("urn:ietf:params:oauth:grant-type:device_code");
    let mut candidate = with(good(&uris), &[(Field::AuthorizationGrantType, grant)]);
    candidate.client_id = Some(ClientIdFacts { text: &long, taken: false });
    let provider = Provider::default();
    assert_eq!(full_clean(&candidate, &provider, Schema::default()), []);
    let shown: Vec<_> = full_clean(&candidate, &provider, old).iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "Ensure this value has at most 100 characters (it has 101).",
            "Value 'urn:ietf:params:oauth:grant-type:device_code' is not a valid choice.",
        ]
    );
}

/// The words are those of DOT's main branch.
#[test]
fn client_assertions_have_conditions() {
    let uris = list("https://a.example/cb");
    let keys = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qY"}]}"#;
    let known = [
        (Field::ClientType, Fact::Text("confidential")),
        (Field::TokenEndpointAuthMethod, Fact::Text("")),
        (Field::ClientJwks, Fact::Text("")),
        (Field::ClientJwksUri, Fact::Text("")),
    ];
    let of = |facts: &[(Field, Fact<'static>)]| {
        messages(&with(with(good(&uris), &known), facts), &Provider::default())
    };
    let method = |name| (Field::TokenEndpointAuthMethod, Fact::Text(name));
    let public = (Field::ClientType, Fact::Text("public"));
    let plain = (Field::HashClientSecret, Fact::Flag(false));
    assert_eq!(of(&[method("none"), public]), [""; 0]);
    assert_eq!(
        of(&[method("none")]),
        ["token_endpoint_auth_method: A confidential client cannot use token_endpoint_auth_method 'none'."]
    );
    assert_eq!(of(&[method("private_key_jwt"), (Field::ClientJwks, Fact::Text(keys))]), [""; 0]);
    assert_eq!(
        of(&[method("private_key_jwt"), public]),
        [
            "token_endpoint_auth_method: token_endpoint_auth_method private_key_jwt requires a confidential client.",
            "client_jwks: private_key_jwt requires client_jwks or client_jwks_uri to be set.",
        ]
    );
    assert_eq!(
        of(&[
            (Field::ClientJwks, Fact::Text(keys)),
            (Field::ClientJwksUri, Fact::Text("http://a.example/keys")),
        ]),
        [
            "client_jwks: client_jwks and client_jwks_uri are mutually exclusive.",
            "client_jwks_uri: client_jwks_uri must use the https scheme.",
        ]
    );
    assert_eq!(
        of(&[(Field::ClientJwksUri, Fact::Text("https://x"))]),
        ["client_jwks_uri: Enter a valid URL."]
    );
    assert_eq!(of(&[method("client_secret_jwt"), plain]), [""; 0]);
    let hashed = of(&[method("client_secret_jwt"), (Field::HashClientSecret, Fact::Flag(true))]);
    assert!(
        matches!(&hashed[..], [only] if only.starts_with("hash_client_secret: client_secret_jwt requires"))
    );
    assert_eq!(
        of(&[method("tls_client_auth")]),
        ["token_endpoint_auth_method: Value 'tls_client_auth' is not a valid choice."]
    );
}

/// Other validators of the server's own may accept what DOT's refuse.
#[test]
fn uris_of_a_server_with_other_validators_are_not_judged() {
    let uris = list("myapp:callback");
    let provider = Provider { uri_rules: UriRules::Lint, ..Provider::default() };
    assert_eq!(messages(&good(&uris), &Provider::default()).len(), 1);
    assert_eq!(messages(&good(&uris), &provider), [""; 0]);
    assert_eq!(messages(&good(&[]), &provider).len(), 1, "that there are none is another rule");
}
