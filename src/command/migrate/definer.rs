//! `migrate --definer`: prints the functions that a superuser installs. Reads the catalogue only.

use crate::command::connected::database_now;
use crate::command::loading;
use crate::command::reaching;
use crate::command::references;
use crate::command::session::Session;
use crate::db::error::DbError;
use crate::db::health::server;
use crate::db::tokens::definer::{self, Bounds, Terms};
use crate::error::{Error, Exit};
use crate::model::CleanupPolicy;
use crate::plan::retention;

/// Prints the file for the sweeps of the file's policy.
pub(super) async fn run(session: &mut Session, role: &str) -> Result<Exit, Error> {
    let config = loading::without_secrets(session)?;
    let mut connected = reaching::connect(session, &config, 1).await?;
    references::declare(session, &mut connected, &config, &[]).await?;
    let policy = config.cleanup.clone().unwrap_or_default();
    let policy = CleanupPolicy { declared: config.spared(), ..policy };
    let client = connected.database.get().await?;
    let looking = || DbError::during("looking for the role");
    if !server::role_exists(&**client, role).await.map_err(looking())? {
        return Err(Error::usage(format!("there is no role \"{role}\" on this server"))
            .hint("--for names the role that runs `oauthctl cleartokens`"));
    }
    let sweeps = retention::sweeps(&policy, database_now(&client).await?, &connected.layout.roles());
    let bounds = Bounds::of(&policy);
    let written =
        definer::write(&**client, &connected.layout, &sweeps, Terms { bounds: &bounds, role }).await?;
    drop(client);
    let text = written.map_err(|unmet| {
        let reasons: Vec<&str> = unmet.iter().map(|condition| condition.what.as_str()).collect();
        let what =
            format!("triggers cannot be switched off here: {}; nothing was printed", reasons.join("; "));
        Error::new(Exit::Refused, what).hint("use fk_checks = \"triggers\"")
    })?;
    session.tell_whole(&text)?;
    session.ui.next_step("read the file, then run it as a superuser: psql -v ON_ERROR_STOP=1 -f FILE");
    Ok(Exit::Done)
}
