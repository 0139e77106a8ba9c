//! `[applications.KEY.columns]`: columns of the project's own. Which there are and what they hold, only a database knows;
//! which are DOT's is known here.

use std::collections::BTreeMap;

use super::Context;
use crate::config::places::ApplicationPlaces;
use crate::config::problem::Problem;
use crate::config::slot::Slot;
use crate::config::suggest::quoted;
use crate::config::values::Free;
use crate::model::{ColumnOwner, ColumnValue, Moment, column_owner};

pub(super) fn resolve(
    section: Slot<BTreeMap<String, Slot<Free>>>,
    places: &mut ApplicationPlaces,
    context: &Context<'_>,
) -> BTreeMap<String, ColumnValue> {
    let mut columns = BTreeMap::new();
    for (name, slot) in section.value().into_iter().flatten() {
        let Some(placed) = slot.present() else { continue };
        if let ColumnOwner::Dot(key) = column_owner(&name) {
            let message = format!("{} is a column of DOT's own", quoted(&name));
            let hint = match key {
                Some(key) => format!("write `{key}` in the table of the application"),
                None => "DOT writes it by itself; leave it out".to_owned(),
            };
            context.push(Problem::error("dot-column", message).at(placed.key).hint(hint));
            continue;
        }
        match value(places.note_column(&name, placed.clone())) {
            Some(value) => {
                columns.insert(name, value);
            }
            None => context.push(
                Problem::error(
                    "invalid-value",
                    format!("{} has a number that JSON cannot hold", quoted(&name)),
                )
                .at(placed.span),
            ),
        }
    }
    columns
}

/// `None`: a list or a table with a number that JSON has no word for.
fn value(free: Free) -> Option<ColumnValue> {
    Some(match free {
        Free::Text(text) => ColumnValue::Text(text),
        Free::Integer(number) => ColumnValue::Integer(number),
        Free::Float(number) => ColumnValue::Float(number),
        Free::Flag(flag) => ColumnValue::Flag(flag),
        Free::Date(text) => ColumnValue::Moment(moment(&text), text),
        nested @ (Free::List(_) | Free::Table(_)) => ColumnValue::Nested(json(nested)?),
    })
}

fn json(free: Free) -> Option<serde_json::Value> {
    Some(match free {
        Free::Text(text) | Free::Date(text) => text.into(),
        Free::Integer(number) => number.into(),
        Free::Float(number) => serde_json::Number::from_f64(number)?.into(),
        Free::Flag(flag) => flag.into(),
        Free::List(items) => items.into_iter().map(json).collect::<Option<Vec<_>>>()?.into(),
        Free::Table(entries) => {
            let entries = entries.into_iter().map(|(key, value)| Some((key, json(value)?)));
            serde_json::Value::Object(entries.collect::<Option<_>>()?)
        }
    })
}

/// Which of TOML's four kinds a date is.
fn moment(text: &str) -> Moment {
    let Some((_, time)) = text.split_once(['T', 't', ' ']) else {
        return if text.contains(':') { Moment::Time } else { Moment::Date };
    };
    if time.contains(['Z', 'z', '+', '-']) { Moment::Instant } else { Moment::Local }
}
