//! `[[hooks]]`: programs that run after an apply.

use super::Context;
use crate::config::document::Hook as Section;
use crate::config::problem::Problem;
use crate::config::slot::{List, Placed};
use crate::model::Hook;

pub(super) fn resolve(list: List<Section>, context: &Context<'_>) -> Vec<Hook> {
    let entries = list.items().into_iter().flat_map(|list| list.value);
    entries.filter_map(|entry| one(entry, context)).collect()
}

fn one(entry: Placed<Section>, context: &Context<'_>) -> Option<Hook> {
    let Section { after_apply, timeout } = entry.value;
    if after_apply.is_absent() {
        let problem = Problem::error("missing-key", "`after_apply` is missing").at(entry.span);
        return context.reject(problem.hint("write after_apply = [\"PROGRAM\", \"ARGUMENT\"]"));
    }
    let words = after_apply.items()?;
    let timeout = context.duration("timeout", timeout).map(|timeout| timeout.value);
    let is_empty = words.value.first().is_none_or(|program| program.value.is_empty());
    if is_empty {
        let problem = Problem::error("empty", "`after_apply` names no program").at(words.span);
        return context.reject(problem.hint("write after_apply = [\"PROGRAM\", \"ARGUMENT\"]"));
    }
    if let Some(word) = words.value.iter().find(|word| word.value.contains('\0')) {
        let problem = Problem::error("nul-byte", "an argument contains a NUL byte").at(word.span.clone());
        return context.reject(problem.hint("leave the \\u0000 out"));
    }
    let after_apply = words.value.into_iter().map(|word| word.value).collect();
    Some(Hook { after_apply, timeout: timeout.filter(|timeout| !timeout.is_zero()) })
}
