//! What holds for every file and every database.

use proptest::prelude::*;

use super::*;

/// Executes a plan on the model of a database; the real executor is tested on real rows.
fn executed(plan: &Plan, actual: &mut Actual) {
    for step in &plan.steps {
        match step {
            Step::Update { row, client_id, changes, .. } => {
                let mut stored = actual.applications.remove(&row.client_id).expect("row");
                for FieldChange { field, after, .. } in changes {
                    set(&mut stored.fields, field, after);
                }
                stored.client_id = client_id.clone();
                actual.applications.insert(client_id.clone(), stored);
            }
            Step::Create { client_id, fields } => {
                let mut stored = Box::new(row(100, client_id.as_str()));
                for setting in fields {
                    set(&mut stored.fields, &setting.field, &setting.value);
                }
                actual.applications.insert(client_id.clone(), stored);
            }
            Step::Delete { row, .. } => {
                actual.applications.remove(&row.client_id);
                actual.unmanaged.retain(|unmanaged| unmanaged.client_id != row.client_id);
            }
            Step::Adopt { .. } => {}
        }
    }
}

fn set(fields: &mut StoredFields, attribute: &Attribute, value: &Value) {
    let Attribute::Field(field) = attribute else { return };
    let text = match value {
        Value::Text(text) => text.clone(),
        Value::Uris(uris) => uris.join(" "),
        _ => String::new(),
    };
    let flag = *value == Value::Flag(true);
    match field {
        Field::Name => fields.name = text,
        Field::ClientType => fields.client_type = text,
        Field::AuthorizationGrantType => fields.authorization_grant_type = text,
        Field::RedirectUris => fields.redirect_uris = text,
        Field::PostLogoutRedirectUris => fields.post_logout_redirect_uris = Some(text),
        Field::AllowedOrigins => fields.allowed_origins = Some(text),
        Field::Algorithm => fields.algorithm = Some(text),
        Field::SkipAuthorization => fields.skip_authorization = flag,
        Field::HashClientSecret => fields.hash_client_secret = Some(flag),
        Field::TokenEndpointAuthMethod => fields.token_endpoint_auth_method = Some(text),
        Field::ClientJwks => fields.client_jwks = Some(text),
        Field::ClientJwksUri => fields.client_jwks_uri = Some(text),
        Field::RequirePushedAuthorizationRequests => {
            fields.require_pushed_authorization_requests = matches!(value, Value::Flag(_)).then_some(flag);
        }
        Field::ClientSecret => fields.client_secret = StoredSecret::new(HASH.to_owned()),
        Field::User => {
            fields.user = match value {
                Value::User(owner) => Some(owner.key.clone()),
                _ => None,
            }
        }
    }
}

fn any_uris() -> impl Strategy<Value = Option<Vec<String>>> {
    let uri = prop_oneof!["https://[a-c]\\.example/cb", Just("http://127.0.0.1/x".to_owned())];
    proptest::option::of(proptest::collection::vec(uri, 0..4))
}

fn any_origins() -> impl Strategy<Value = Option<Vec<String>>> {
    proptest::option::of(proptest::collection::vec("https://[a-c]\\.example", 0..4))
}

fn any_declared() -> impl Strategy<Value = Declared> {
    let texts = (
        proptest::option::of("[A-Za-z ü]{0,6}"),
        Just("confidential"),
        proptest::option::of(prop_oneof![Just(""), Just("RS256")]),
    );
    let flag = || proptest::option::of(any::<bool>());
    let assertion = proptest::option::of(prop_oneof![
        Just((String::new(), String::new())),
        Just(("private_key_jwt".to_owned(), "https://a.example/keys".to_owned())),
    ]);
    let flags = (flag(), flag(), flag(), assertion);
    (texts, flags, any_uris(), any_uris(), any_origins()).prop_map(
        |((name, client_type, algorithm), (skip, hash, par, assertion), redirect, logout, origins)| {
            Declared {
                block: String::new(),
                application: Application {
                    name,
                    client_type: Some(client_type.to_owned()),
                    // DOT wants somewhere to redirect to.
                    authorization_grant_type: Some(
                        if redirect.as_ref().is_some_and(|uris| !uris.is_empty()) {
                            "authorization-code".to_owned()
                        } else {
                            "client-credentials".to_owned()
                        },
                    ),
                    redirect_uris: redirect,
                    post_logout_redirect_uris: logout,
                    allowed_origins: origins,
                    algorithm: algorithm.map(str::to_owned),
                    skip_authorization: skip,
                    hash_client_secret: hash,
                    client_secret: None,
                    token_endpoint_auth_method: assertion.as_ref().map(|(method, _)| method.clone()),
                    client_jwks: None,
                    client_jwks_uri: assertion.map(|(_, uri)| uri),
                    require_pushed_authorization_requests: par,
                    user: None,
                    columns: BTreeMap::new(),
                },
                protect: false,
                ignore: BTreeSet::new(),
            }
        },
    )
}

fn any_desired() -> impl Strategy<Value = Desired> {
    let applications = proptest::collection::btree_map("[a-f]", any_declared(), 0..6);
    (applications, proptest::collection::btree_set("[g-i]", 0..3)).prop_map(|(applications, removed)| {
        Desired {
            applications: applications
                .into_iter()
                .map(|(name, declared)| (id(&name), Box::new(declared)))
                .collect(),
            removed: removed.iter().map(|name| id(name)).collect(),
            ..Desired::default()
        }
    })
}

proptest! {
    #[test]
    fn planning_after_executing_finds_nothing(
        wanted in any_desired(),
        rows in proptest::collection::btree_set("[a-i]", 0..9),
    ) {
        let names: Vec<&str> = rows.iter().map(String::as_str).collect();
        let mut actual = database(&names);
        let first = planned(&wanted, &actual);
        executed(&first, &mut actual);
        let second = planned(&wanted, &actual);
        prop_assert!(second.is_empty(), "{second:?}");
    }

    #[test]
    fn the_order_and_repetition_of_uris_never_matter(uris in proptest::collection::vec("https://[a-e]/", 1..5)) {
        let mut stored = uris.clone();
        stored.reverse();
        stored.push(uris[0].clone());
        let mut actual = database(&["web"]);
        if let Some(row) = actual.applications.get_mut(&id("web")) {
            row.fields.redirect_uris = stored.join("\t ");
        }
        let mut application = Declared::default();
        application.application.redirect_uris = Some(uris);
        prop_assert!(planned(&desired(vec![("web", application)]), &actual).is_empty());
    }
}
