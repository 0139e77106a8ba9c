//! `[applications.KEY]`: the declared applications.

use std::collections::{BTreeMap, BTreeSet};

use super::columns::{self, Defaults};
use super::{Context, secrets, users};
use crate::config::document::{Application as Section, Blocks};
use crate::config::places::{ApplicationPlaces, Places};
use crate::config::problem::{Problem, Span};
use crate::config::slot::{List, Placed, Slot};
use crate::config::suggest::quoted;
use crate::config::values::Ignored;
use crate::model::{Application, Attribute, ClientId, Declared, Field};
use crate::rules::split_list;

/// The applications that were declared so far.
pub(super) struct Declaring<'a> {
    pub defaults: &'a Defaults,
    pub context: &'a Context<'a>,
    pub places: &'a mut Places,
    pub declared: BTreeMap<ClientId, Box<Declared>>,
    /// Those of them that must not exist, with the place of their `enabled = false`.
    pub disabled: BTreeMap<ClientId, Span>,
}

impl Declaring<'_> {
    /// Adds blocks that follow in the file those that were added before.
    pub fn add(&mut self, blocks: Blocks) {
        let blocks = blocks.value().into_iter().flatten();
        let mut blocks: Vec<_> = blocks.filter_map(|(block, slot)| Some((block, slot.present()?))).collect();
        // In the order of the file, so that the second of two declarations is the one that is wrong.
        blocks.sort_by_key(|(_, section)| section.key.start);
        for (block, section) in blocks {
            self.add_one(block, section);
        }
    }

    fn add_one(&mut self, block: String, section: Placed<Section>) {
        let mut noted = ApplicationPlaces::new(&section.key);
        let disabled = disabled(&section.value);
        let context = self.context.without_secrets_if(disabled.is_some());
        let Some((client_id, application)) = one(block, section, self.defaults, &mut noted, &context) else {
            return;
        };
        if let Some(first) = self.places.applications.get(&client_id) {
            let message = format!("the client id {} is declared twice", quoted(client_id.as_str()));
            let problem = Problem::error("duplicate-client-id", message)
                .at(noted.client_id())
                .related(first.client_id(), "first here");
            self.context.push(problem.hint("delete one of the two, or give it a client id of its own"));
            return;
        }
        self.places.applications.insert(client_id.clone(), Box::new(noted.compact()));
        if let Some(place) = disabled {
            self.disabled.insert(client_id.clone(), place);
        }
        self.declared.insert(client_id, Box::new(application));
    }
}

/// Where it says that the application must not exist.
fn disabled(section: &Section) -> Option<Span> {
    match &section.enabled {
        Slot::Present(Placed { span, value: false, .. }) => Some(span.clone()),
        Slot::Present(_) | Slot::Absent | Slot::Invalid => None,
    }
}

fn one(
    block: String,
    section: Placed<Section>,
    defaults: &Defaults,
    places: &mut ApplicationPlaces,
    context: &Context<'_>,
) -> Option<(ClientId, Declared)> {
    let Section {
        client_id,
        // Looked at before.
        enabled: _,
        name,
        client_type,
        authorization_grant_type,
        redirect_uris,
        post_logout_redirect_uris,
        allowed_origins,
        client_secret,
        hash_client_secret,
        algorithm,
        skip_authorization,
        token_endpoint_auth_method,
        client_jwks,
        client_jwks_uri,
        require_pushed_authorization_requests,
        user,
        protect,
        columns,
        ignore,
    } = section.value;
    let client_id = named(client_id, &block, &section.key, places, context);
    let mut application = Application {
        name: noted(Field::Name, name, places),
        client_type: noted(Field::ClientType, client_type, places).map(|kind| kind.to_string()),
        authorization_grant_type: noted(Field::AuthorizationGrantType, authorization_grant_type, places)
            .map(|grant| grant.to_string()),
        redirect_uris: uris(Field::RedirectUris, redirect_uris, places, context),
        post_logout_redirect_uris: uris(
            Field::PostLogoutRedirectUris,
            post_logout_redirect_uris,
            places,
            context,
        ),
        allowed_origins: uris(Field::AllowedOrigins, allowed_origins, places, context),
        algorithm: noted(Field::Algorithm, algorithm, places).map(|name| name.to_string()),
        skip_authorization: noted(Field::SkipAuthorization, skip_authorization, places),
        hash_client_secret: noted(Field::HashClientSecret, hash_client_secret, places),
        client_secret: client_secret.present().and_then(|secret| {
            places.note(Field::ClientSecret, secret.with(()));
            secrets::client_secret(secret, context)
        }),
        token_endpoint_auth_method: noted(Field::TokenEndpointAuthMethod, token_endpoint_auth_method, places)
            .map(|method| method.to_string()),
        client_jwks: noted(Field::ClientJwks, client_jwks, places),
        client_jwks_uri: noted(Field::ClientJwksUri, client_jwks_uri, places),
        require_pushed_authorization_requests: noted(
            Field::RequirePushedAuthorizationRequests,
            require_pushed_authorization_requests,
            places,
        ),
        user: user.present().and_then(|user| {
            places.note(Field::User, user.with(()));
            users::owner(user, context)
        }),
        columns: columns::resolve(columns, places, context),
    };
    defaults.extend(&mut application.columns, places);
    let declared = Declared {
        block,
        application,
        protect: protect.value().unwrap_or_default(),
        ignore: ignored(ignore, places, context),
    };
    Some((ClientId::new(client_id?), declared))
}

/// The value of a field, with its place noted.
fn noted<T>(field: Field, slot: Slot<T>, places: &mut ApplicationPlaces) -> Option<T> {
    slot.present().map(|value| places.note(field, value))
}

/// The client id: as written, else the name of the block.
fn named(
    client_id: Slot<String>,
    block: &str,
    header: &Span,
    places: &mut ApplicationPlaces,
    context: &Context<'_>,
) -> Option<String> {
    let is_named_by_block = client_id.is_absent();
    if let Some(written) = context.text("client_id", client_id) {
        places.note_client_id(&written.span);
        return Some(written.value);
    }
    if !is_named_by_block {
        return None;
    }
    if block.is_empty() {
        return context.reject(Problem::error("empty", "the client id is empty").at(header.clone()));
    }
    Some(block.to_owned())
}

/// What is not declared is not managed anyway: then the line does nothing.
fn ignored(list: List<Ignored>, places: &ApplicationPlaces, context: &Context<'_>) -> BTreeSet<Attribute> {
    let Some(list) = list.items() else { return BTreeSet::new() };
    let list = list.map(|items| items.into_iter().map(|item| item.map(|Ignored(key)| key)).collect());
    let list = context.without_duplicates(list, Attribute::to_string);
    for item in &list.value {
        if !places.has(&item.value) {
            let message =
                format!("{} is not declared, so there is nothing to ignore", quoted(&item.value.to_string()));
            context.push(Problem::warning("nothing-to-ignore", message).at(item.span.clone()));
        }
    }
    list.value.into_iter().map(|item| item.value).collect()
}

/// A list that the column holds space separated, so that an item with a space would be two.
fn uris(
    field: Field,
    list: List<String>,
    places: &mut ApplicationPlaces,
    context: &Context<'_>,
) -> Option<Vec<String>> {
    let list = context.without_duplicates(list.items()?, String::clone);
    let mut is_sound = true;
    for item in &list.value {
        if item.value.is_empty() {
            let problem =
                Problem::error("empty", format!("an item of `{field}` is empty")).at(item.span.clone());
            context.push(problem.hint("for an empty list, write []"));
            is_sound = false;
        } else if !split_list(&item.value).eq([item.value.as_str()]) {
            let problem =
                Problem::error("whitespace-in-uri", format!("an item of `{field}` contains whitespace"));
            context.push(
                problem
                    .at(item.span.clone())
                    .hint("the column separates its items by spaces; write each URI as a string of its own"),
            );
            is_sound = false;
        }
    }
    let uris = places.note_list(field, list);
    is_sound.then_some(uris)
}
