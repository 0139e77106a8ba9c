//! `rotate-secret`: a new secret for one application, by way of a plan of one step and the one writer.

use std::collections::BTreeMap;

use clap::Args;

use super::Format;
use super::connected::Connected;
use super::connected::database_now;
use super::delivering;
use super::desired::mentioned;
use super::desired::with_only;
use super::executing;
use super::inventory::{self, FilterArgs, Inventory, Look};
use super::loading;
use super::noting::History;
use super::outputs;
use super::prepared::Prepared;
use super::reaching;
use super::reconcile;
use super::rights;
use super::scope::{ConsentArgs, ScopeArgs};
use super::session::Session;
use super::writable;
use crate::config::Config;
use crate::db::applications::{self, Others};
use crate::db::error::DbError;
use crate::db::patience::Reading;
use crate::db::rights::{Columns, DEPENDENTS, Extent, Task};
use crate::error::{Error, Exit};
use crate::hasher::Cipher;
use crate::model::words::rfc3339;
use crate::model::{Application, ClientId, Field, Key, SecretDeclaration};
use crate::plan::{Plan, Proposal};
use crate::ui::plan::{Detail, render, visible};
use crate::ui::plan_json;

const EXAMPLES: &str = "\
Examples:
  oauthctl rotate-secret billing
  oauthctl rotate-secret billing --yes --secrets-out billing.env";

/// The flags of `rotate-secret`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct RotateArgs {
    /// The application that gets a new secret.
    client_id: String,
    #[command(flatten)]
    consent: ConsentArgs,
}

/// Makes a new secret, stores its hash and delivers it.
pub async fn run(session: &mut Session, args: &RotateArgs) -> Result<Exit, Error> {
    outputs::check(session, &args.consent.outputs(), None)?;
    delivering::check_secrets_out(&args.consent)?;
    let client_id = ClientId::new(args.client_id.as_str());
    let mut file = loading::without_secrets(session)?;
    outputs::check_referred(&file, &args.consent.outputs())?;
    let declared = file.desired.renamed.get(&client_id).unwrap_or(&client_id).clone();
    let returns = file.declares(&declared, &Field::ClientSecret.into()) && !is_generated(&file, &declared);
    inventory::forget_secrets(&mut file, None);
    let connected = reaching::connect(session, &file, 3).await?;
    require(&connected).await?;
    let wanted = std::slice::from_ref(&args.client_id);
    let selection = FilterArgs::default().selection(wanted);
    let found: Inventory = inventory::read(session, &connected, &file, &selection, Look::Rows).await?;
    inventory::check_all_found(&connected, &file, wanted, &found).await?;
    let application =
        Application { client_secret: Some(SecretDeclaration::Rotate), ..Application::default() };
    let in_file = file.desired.applications.len();
    let config = with_only(file, &client_id, application);
    let interrupted = session.interrupted.clone();
    let plan = interrupted.or(plan(session, &connected, &config, &client_id)).await?;
    let proposal = Proposal::from(Plan { declared: in_file, ..plan });
    writable::require(&connected).await?;
    delivering::check_delivery(session, &args.consent, &proposal.plan)?;
    let is_json = session.global.format == Format::Json;
    if !is_json {
        session.tell(&render(&proposal, Detail::Changes))?;
    }
    if returns {
        session.ui.warning(format_args!(
            "{} declares the secret of {client_id}: change what it refers to as well, or the next apply puts the old one \
             back.",
            config.source.path().display(),
        ));
    }
    let name = visible(client_id.as_str());
    executing::confirm(session, &args.consent, &format!("Give {name} a new secret?")).await?;
    let began = database_now(&connected.database.get().await?).await?;
    let prepared = Prepared { connected, config, proposal, foreign: BTreeMap::new(), sweeps: Vec::new() };
    let history = History::begin(session, &prepared.connected, &prepared.config).await?;
    // Not the file's: it need not declare the application, so it does not answer for it.
    let unknown = format!(
        "`oauthctl show {name}`: if `updated` is {} or later, the new secret is stored, else the old one is valid; `{{ file = … }}` \
         with the new secret in oauth.toml lets `oauthctl plan` compare the two",
        rfc3339(began)
    );
    let result = executing::execute(session, &args.consent, &prepared, history.noted, &unknown).await;
    let done = result.as_ref().ok().cloned().flatten();
    let counts = serde_json::json!({ "applications": done.as_ref().map(|outcome| outcome.done) });
    history.finish(session, &prepared.connected, &result, counts).await;
    result?;
    if is_json {
        let report = plan_json::Report { picked: None, applied: done.as_ref(), hooks: None, cleaned: None };
        let text = plan_json::render(&prepared.proposal, Some(&report))
            .map_err(|error| Error::from_source(Exit::Failed, &error))?;
        session.tell(&text)?;
    }
    session.ui.status(format_args!("Rotated the secret of {name}; the old one is no longer valid."));
    Ok(Exit::Done)
}

/// Refuses before anything is read where the role cannot do it.
async fn require(connected: &Connected) -> Result<(), Error> {
    rights::refuse_hidden(connected)?;
    let secret = [Field::ClientSecret.column()];
    let updates = Some(Columns::These(applications::updated_columns(connected.layout.application(), secret)));
    let task = Task {
        applications: Some(Extent::Whole),
        tokens: DEPENDENTS.to_vec(),
        users: true,
        updates,
        locks: true,
        ..Task::default()
    };
    rights::require(connected, &task, Exit::Refused).await
}

/// Whether the file says `{ generate = true }`, which is never compared.
fn is_generated(config: &Config, client_id: &ClientId) -> bool {
    let declared = config.desired.applications.get(client_id);
    let secret = declared.and_then(|declared| declared.application.client_secret.as_ref());
    matches!(secret, Some(SecretDeclaration::Generate))
}

/// Without the project's key nothing could be written that its servers would read.
fn foreign(client_id: &ClientId, cipher: Cipher) -> Error {
    let (name, how) = (visible(client_id.as_str()), cipher.name());
    Error::new(
        Exit::Refused,
        format!(
            "the secret of {name} is foreign: the project has encrypted it ({how}), and oauthctl has no key to write \
             another one; nothing was changed"
        ),
    )
    .hint("set the new secret where the project encrypts it, such as its own admin or API")
}

/// A plan of one step, with who depends on the old secret.
async fn plan(
    session: &mut Session,
    connected: &Connected,
    config: &Config,
    client_id: &ClientId,
) -> Result<Plan, Error> {
    let layout = &connected.layout;
    let mut client = connected.database.get().await?;
    let snapshot = connected.snapshot(&mut client, Reading::Everything).await?;
    let mentioned = mentioned(&config.desired);
    let actual = applications::read(&*snapshot, layout, &mentioned, Others::Counted).await?;
    if let Some(cipher) =
        actual.applications.get(client_id).and_then(|row| row.fields.client_secret.foreign())
    {
        return Err(foreign(client_id, cipher));
    }
    let mut plan = reconcile::decide(session, config, &actual, &ScopeArgs::default())?;
    // What else there is, is no business of this command.
    plan.unmanaged.clear();
    plan.dynamic = 0;
    let keys: Vec<&Key> = plan.at_risk().map(|row| &row.key).collect();
    let (counted_at, counts) = applications::dependents(&*snapshot, layout, &keys).await?;
    drop(keys);
    snapshot.commit().await.map_err(DbError::during("reading the application"))?;
    Ok(plan.with_dependents(&counts, rfc3339(counted_at)))
}
