//! The client ids that a file mentions, for a shell that completes them. Finds them also where the file has problems. Pure.

use std::collections::BTreeSet;

use toml::{Table, Value};

/// Those that are declared or removed. One with a variable is left out: its value is not looked for.
#[must_use]
pub fn client_ids(text: &str) -> BTreeSet<String> {
    let Ok(document) = text.parse::<Table>() else { return BTreeSet::new() };
    let own = |value: &Value| Some(value.get("client_id")?.as_str()?.to_owned());
    let declared = document.get("applications").and_then(Value::as_table).into_iter().flatten();
    let declared = declared.map(|(name, value)| own(value).unwrap_or_else(|| name.clone()));
    let removed = document.get("removed").and_then(Value::as_array).into_iter().flatten().filter_map(own);
    declared.chain(removed).filter(|client_id| !client_id.contains("${")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_and_removed_ones_are_found() {
        let text = "nonsense = 1\n[applications.web]\nnmae = \"x\"\n[applications.batch]\nclient_id = \"a b\"\n\
                    [applications.tenant]\nclient_id = \"${var.x}\"\n[[removed]]\nclient_id = \"old\"\n[[removed]]\n";
        assert_eq!(client_ids(text).into_iter().collect::<Vec<_>>(), ["a b", "old", "web"]);
        for text in ["", "applications = 1", "[applications", "removed = [1]"] {
            assert_eq!(client_ids(text), BTreeSet::new(), "{text}");
        }
    }
}
