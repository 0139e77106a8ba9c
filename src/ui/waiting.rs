//! What is said while waiting for a lock of another session.

use std::io::Write as _;
use std::sync::Arc;

use serde_json::{Value, json};

use super::plan::visible;
use super::{Chatter, Ui, fitted};
use crate::db::lock::{Blocked, Holder};
use crate::db::patience::Teller;

/// Says it on stderr, for people or (`objects`) as a line of JSON; not with `--quiet`.
#[must_use]
pub fn teller(ui: &Ui, objects: bool) -> Teller {
    let chatter = ui.chatter();
    Arc::new(move |blocked| {
        if chatter == Chatter::Normal {
            let text = if objects { object(blocked).to_string() } else { fitted(&line(blocked)) };
            // A stderr that is gone is no reason to fail.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    })
}

/// The line that people see while a lock is waited for.
#[must_use]
pub fn line(blocked: &Blocked) -> String {
    format!("Waiting for {}.", visible(&blocked.to_string()))
}

/// The same as a JSON object.
#[must_use]
pub fn object(blocked: &Blocked) -> Value {
    let Blocked { wanted: _, table, holders } = blocked;
    let holders: Vec<Value> = holders.iter().map(holder).collect();
    json!({"event": "waiting", "reason": "lock", "table": table, "holders": holders})
}

fn holder(holder: &Holder) -> Value {
    let Holder { pid, name, state, since, behind } = holder;
    json!({"pid": pid, "name": name, "state": state, "since": since, "waits_for": behind})
}
