//! `createapplication`: DOT's command, by way of a plan of one step and the one writer.

mod columns;
mod complaint;
mod verdict;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use zeroize::Zeroizing;

use self::complaint::Complaint;
use self::verdict::{complaints, verdict};
use super::Format;
use super::connected::Connected;
use super::declaring;
use super::desired::mentioned;
use super::desired::with_only;
use super::environment;
use super::given_secret;
use super::given_secret::sendable;
use super::hashing;
use super::loading;
use super::noting::History;
use super::prepared::Prepared;
use super::reaching;
use super::rights;
use super::session::Session;
use super::trying;
use super::values;
use super::writable;
use crate::config::Config;
use crate::db::applications::{self, Others};
use crate::db::error::DbError;
use crate::db::patience::Reading;
use crate::db::rights::{Columns, Extent, Task};
use crate::error::{Error, Exit};
use crate::model::{Application, ClientId, ColumnValue, Field, SecretDeclaration};
use crate::plan::Plan;
use crate::rules::split_list;
use crate::secret::{Secret, random_text};
use crate::ui::plan::visible;
use crate::ui::report_json;

/// The number of characters that DOT's `CLIENT_ID_GENERATOR_CLASS` takes from `[A-Za-z0-9]`.
const CLIENT_ID_LENGTH: usize = 40;

const EXAMPLES: &str = "\
Examples:
  oauthctl createapplication confidential client-credentials --name export
  oauthctl createapplication public authorization-code --client-id kiosk \\
      --redirect-uris https://kiosk.example.com/callback --write";

/// The flags of `createapplication`: those of DOT 3.4.1, with what it lacks. An empty text is as good as none.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct CreateArgs {
    /// The client type.
    #[arg(value_parser = values::client_type())]
    client_type: String,
    /// The grant type.
    #[arg(value_parser = values::grant_type())]
    authorization_grant_type: String,
    /// The client id. Default: a generated one.
    #[arg(long, alias = "client_id", value_name = "ID")]
    client_id: Option<String>,
    /// The primary key of the user that the application belongs to.
    #[arg(long, value_name = "PK")]
    user: Option<String>,
    /// Redirect URIs, separated by spaces.
    #[arg(long, alias = "redirect_uris", value_name = "URIS")]
    redirect_uris: Option<String>,
    /// Redirect URIs after a logout, separated by spaces.
    #[arg(long, alias = "post_logout_redirect_uris", value_name = "URIS")]
    post_logout_redirect_uris: Option<String>,
    /// Origins that are allowed by CORS, separated by spaces.
    #[arg(long, alias = "allowed_origins", value_name = "ORIGINS")]
    allowed_origins: Option<String>,
    /// The client secret. Default: a generated one. Other users of this machine can read it on the command line;
    /// --client-secret-file is safer.
    #[arg(long, alias = "client_secret", value_name = "SECRET")]
    client_secret: Option<String>,
    /// A file with the client secret. One newline at its end is not part of the secret.
    #[arg(long, value_name = "FILE", conflicts_with = "client_secret")]
    client_secret_file: Option<PathBuf>,
    /// Store the secret in plain text. HS256 needs this.
    #[arg(long, alias = "no_hash_client_secret")]
    no_hash_client_secret: bool,
    /// The display name.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Do not ask users for their consent.
    #[arg(long, alias = "skip_authorization")]
    skip_authorization: bool,
    /// The algorithm that signs ID tokens.
    #[arg(long, value_name = "ALGORITHM", value_parser = values::algorithm())]
    algorithm: Option<String>,
    /// A column of the project's own, where the Application model is swapped; may be given several times. The value is
    /// read as in [applications.X.columns], text without quotes, and wins over [defaults.columns].
    #[arg(long = "column", value_name = "NAME=VALUE", value_parser = columns::parse)]
    columns: Vec<(String, String)>,
    /// Also write the application into the file, without its secret, as `oauthctl import` does.
    #[arg(long)]
    write: bool,
}

/// Creates the application.
pub async fn run(session: &mut Session, args: &CreateArgs) -> Result<Exit, Error> {
    let file = if args.write { loading::if_there(session)?.0 } else { loading::without_secrets(session)? };
    let client_id = match given(args.client_id.as_ref()) {
        Some(client_id) => client_id.clone(),
        None => random_text(CLIENT_ID_LENGTH, &mut environment::entropy())
            .map_err(|error| Error::from_source(Exit::Failed, &error))?,
    };
    let client_id = ClientId::new(client_id);
    if args.write {
        declaring::check_appendable(&file, &client_id)?;
    }
    columns::check(&args.columns)?;
    let application = application(args)?;
    if let Some(SecretDeclaration::Plain(secret)) = &application.client_secret {
        given_secret::advise(session, secret);
    }
    let interrupted = session.interrupted.clone();
    let prepared = interrupted.or(prepare(session, args, file, &client_id, application)).await?;
    let Some(prepared) = prepared else { return Ok(Exit::Failed) };
    let created = create(session, &prepared).await?;
    if session.global.format == Format::Text && given(args.client_id.as_ref()).is_none() {
        // DOT's command does not say it, and a secret is of no use without it.
        session.ui.stderr_line(format_args!("client_id: {client_id}"));
    }
    let told = match prepared.config.desired.applications.get(&client_id) {
        Some(declared) => tell(session, &client_id, &declared.application, created.as_ref()),
        None => Ok(()),
    };
    // Whatever became of the lines: the row is there.
    let mut declared = Ok(());
    if args.write {
        let appended = declaring::append(session, &prepared.connected, &client_id).await;
        declared = appended.map_err(|error| undeclared(session, &client_id, error));
    }
    told.and(declared).map(|()| Exit::Done)
}

/// DOT's lines on stdout, or the JSON document.
fn tell(
    session: &mut Session,
    client_id: &ClientId,
    application: &Application,
    generated: Option<&Secret>,
) -> Result<(), Error> {
    if session.global.format == Format::Json {
        let text = report_json::created(client_id, application, generated);
        let text = Zeroizing::new(text.map_err(|error| Error::from_source(Exit::Failed, &error))?);
        return match generated {
            Some(_) => session.reveal_text(&text, client_id),
            None => session.answer(&text),
        };
    }
    let shown = application.name.as_deref().unwrap_or(client_id.as_str());
    session.answer(&format!("New application {} created successfully.\n", visible(shown)))?;
    let Some(secret) = generated else { return Ok(()) };
    if application.client_type.as_deref() == Some("public") {
        session.ui.status("A public client does not use its secret. DOT stores one all the same.");
    }
    session
        .reveal("client_secret", client_id, secret)
        .map_err(|error| error.context("the application was created, but its secret could not be shown"))
}

/// The row is there, and the file does not have it.
fn undeclared(session: &Session, client_id: &ClientId, error: Error) -> Error {
    let (path, id) = (session.global.file.display(), visible(client_id.as_str()));
    let message = format!("the application \"{id}\" was created, but {path} does not declare it");
    error.after_commit().context(message).hint(format!("when that is mended: `oauthctl import {id}`"))
}

/// Connects and plans; `None`: it has been said why the application cannot be.
async fn prepare(
    session: &mut Session,
    args: &CreateArgs,
    file: Config,
    client_id: &ClientId,
    mut application: Application,
) -> Result<Option<Prepared>, Error> {
    let connected = reaching::connect(session, &file, 3).await?;
    application.columns = match columns::read(&args.columns, &file.default_columns, &connected.layout) {
        Ok(columns) => columns,
        Err(complaints) => {
            refuse(session, &complaints);
            return Ok(None);
        }
    };
    require(&connected, &application.columns, given(args.user.as_ref()).is_some()).await?;
    application.user = given(args.user.as_ref()).map(|text| verdict::owner(&connected.layout, text));
    writable::require(&connected).await?;
    let config = with_only(file, client_id, application);
    match plan(&connected, &config).await? {
        Ok(plan) => Ok(Some(Prepared {
            connected,
            config,
            proposal: plan.into(),
            foreign: BTreeMap::new(),
            sweeps: Vec::new(),
        })),
        Err(complaints) => {
            refuse(session, &complaints);
            Ok(None)
        }
    }
}

/// Refuses before anything is read where the role cannot create it. A new row has every field that there is.
async fn require(
    connected: &Connected,
    own: &BTreeMap<String, ColumnValue>,
    users: bool,
) -> Result<(), Error> {
    rights::refuse_hidden(connected)?;
    let fields = Field::ALL.iter().map(|field| field.column()).chain(own.keys().map(String::as_str));
    let columns = applications::inserted_columns(connected.layout.application(), fields);
    let creates = Some(Columns::These(columns));
    let task = Task { applications: Some(Extent::Whole), users, creates, ..Task::default() };
    rights::require(connected, &task, Exit::Refused).await
}

/// Reads the rows and plans the creation, or says all that speaks against it.
async fn plan(connected: &Connected, config: &Config) -> Result<Result<Plan, Vec<Complaint>>, Error> {
    let mut client = connected.database.get().await?;
    let snapshot = connected.snapshot(&mut client, Reading::Applications).await?;
    let layout = &connected.layout;
    let actual = applications::read(&*snapshot, layout, &mentioned(&config.desired), Others::Counted).await?;
    snapshot.commit().await.map_err(DbError::during("reading the applications"))?;
    let plan = match verdict(config, layout, &actual) {
        Ok(plan) => plan,
        complaints => return Ok(complaints),
    };
    let tried = trying::verdict(connected, &mut client, &plan).await?;
    Ok(if tried.findings.is_empty() { Ok(plan) } else { Err(complaints(&tried.findings, &[])) })
}

/// In DOT's form, but on stderr.
fn refuse(session: &mut Session, complaints: &[Complaint]) {
    session.ui.stderr_line("Please correct the following errors:");
    for Complaint { field, message, hint: _ } in complaints {
        session.ui.sentence(format_args!(" - {}: {}", visible(field), visible(message)));
    }
    let mut hints: Vec<&String> = Vec::new();
    for hint in complaints.iter().filter_map(|complaint| complaint.hint.as_ref()) {
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    for hint in hints {
        session.ui.hint(hint);
    }
}

async fn create(session: &mut Session, prepared: &Prepared) -> Result<Option<Secret>, Error> {
    let recipe = hashing::recipe(&prepared.config);
    let mut sealed = super::executing::make_secrets(session, prepared, recipe)?;
    let history = History::begin(session, &prepared.connected, &prepared.config).await?;
    // Not the file's: it does not declare the application, so it does not answer for it.
    let result = super::writing::write(session, prepared, &sealed, history.noted).await;
    let result = result.map_err(|error| {
        let names: Vec<String> =
            prepared.proposal.plan.steps.iter().map(|step| visible(step.client_id().as_str())).collect();
        error.hint_if_unknown(&format!("`oauthctl show {}`: if it is there, it was created", names.join(" ")))
    });
    let counts = serde_json::json!({ "applications": result.as_ref().ok().map(|outcome| outcome.done) });
    history.finish(session, &prepared.connected, &result, counts).await;
    if let Err(error) = result {
        if let Some((client_id, secret)) = sealed.generated.pop().filter(|_| error.outcome_is_unknown()) {
            session.reveal("client_secret", &client_id, &secret)?;
            return Err(error.hint("the secret above is valid only if the application was created"));
        }
        return Err(error);
    }
    Ok(sealed.generated.pop().map(|(_, secret)| secret))
}

/// An empty text counts as not given, as in DOT (dot-reference section 5.1).
fn given(text: Option<&String>) -> Option<&String> {
    text.filter(|text| !text.is_empty())
}

fn application(args: &CreateArgs) -> Result<Application, Error> {
    let uris = |text: Option<&String>| {
        given(text).map(|text| split_list(text).map(str::to_owned).collect::<Vec<_>>())
    };
    let secret = match (given(args.client_secret.as_ref()), &args.client_secret_file) {
        (Some(text), _) => Some(sendable(Secret::new(text.clone()), "the secret of --client-secret")?),
        (None, Some(path)) => Some(given_secret::from_file(path)?),
        (None, None) => None,
    };
    Ok(Application {
        name: given(args.name.as_ref()).cloned(),
        client_type: Some(args.client_type.clone()),
        authorization_grant_type: Some(args.authorization_grant_type.clone()),
        redirect_uris: uris(args.redirect_uris.as_ref()),
        post_logout_redirect_uris: uris(args.post_logout_redirect_uris.as_ref()),
        allowed_origins: uris(args.allowed_origins.as_ref()),
        algorithm: given(args.algorithm.as_ref()).cloned(),
        skip_authorization: args.skip_authorization.then_some(true),
        hash_client_secret: args.no_hash_client_secret.then_some(false),
        // DOT's command shows the secret of a public client too.
        client_secret: Some(secret.map_or(SecretDeclaration::Generate, SecretDeclaration::Plain)),
        // DOT's command has no flags for these.
        token_endpoint_auth_method: None,
        client_jwks: None,
        client_jwks_uri: None,
        require_pushed_authorization_requests: None,
        // Known once the types of the columns are.
        user: None,
        columns: BTreeMap::new(),
    })
}
