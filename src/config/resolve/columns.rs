//! `[applications.KEY.columns]` and `[defaults.columns]`: columns of the project's own. Which there are and what they hold, only a database knows;
//! which are DOT's is known here.

use std::collections::BTreeMap;

use super::Context;
use crate::config::document;
use crate::config::places::ApplicationPlaces;
use crate::config::problem::Problem;
use crate::config::slot::Slot;
use crate::config::suggest::quoted;
use crate::config::values::Free;
use crate::model::{Attribute, ColumnOwner, ColumnValue, column_owner};

/// What applications have that say nothing else, and where that is written.
pub(super) struct Defaults {
    pub columns: BTreeMap<String, ColumnValue>,
    places: ApplicationPlaces,
}

impl Defaults {
    /// `[defaults]`, with its problems noted once, whatever applications there are.
    pub fn resolve(section: Slot<document::Defaults>, context: &Context<'_>) -> Self {
        let document::Defaults { columns } = section.value().unwrap_or_default();
        let mut places = ApplicationPlaces::new(&(0..0));
        let columns = resolve(columns, &mut places, context);
        Self { columns, places }
    }

    /// Gives an application what it does not say itself.
    pub fn extend(&self, columns: &mut BTreeMap<String, ColumnValue>, places: &mut ApplicationPlaces) {
        for (name, value) in &self.columns {
            if !places.has_column(name) {
                columns.insert(name.clone(), value.clone());
            }
        }
        places.inherit(&self.places);
    }
}

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
        match places.note(Attribute::Column(name.clone()), placed.clone()).0 {
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
