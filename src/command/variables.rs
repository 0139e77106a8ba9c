//! `--var` and `--var-file`: values for `${var.NAME}` in the file.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use super::environment;
use super::global::GlobalArgs;
use super::values::variable_name;
use crate::config::{self, SIZE_LIMIT, Surroundings, VARIABLE_PREFIX};
use crate::error::Error;

/// What a file of variables has in it.
const LINE: &str = "write one line for each variable: domain = \"example.com\"";

/// The values from the command line. `--var` wins over `--var-file`, a later flag over an earlier one.
#[derive(Debug)]
pub struct Given(BTreeMap<String, String>);

impl Given {
    /// Reads the files that `--var-file` names.
    ///
    /// # Errors
    /// A file that cannot be read, or that is no TOML table of strings.
    pub fn read(global: &GlobalArgs) -> Result<Self, Error> {
        let mut values = BTreeMap::new();
        for path in &global.var_files {
            values.extend(from_file(path)?);
        }
        values.extend(global.vars.iter().cloned());
        Ok(Self(values))
    }

    /// Gives the file's surroundings to a reader: the environment, in which these values come first.
    pub fn surround<T>(&self, read: impl FnOnce(Surroundings<'_>) -> T) -> T {
        let outside = environment::surroundings();
        let variable = |name: &str| {
            let given = name.strip_prefix(VARIABLE_PREFIX).and_then(|name| self.0.get(name));
            given.map(OsString::from).or_else(|| (outside.variable)(name))
        };
        read(Surroundings { variable: &variable, file: outside.file })
    }
}

fn from_file(path: &Path) -> Result<BTreeMap<String, String>, Error> {
    let refused = |why: &dyn std::fmt::Display| Error::usage(format!("--var-file {}: {why}", path.display()));
    let bytes = config::read_file(path, SIZE_LIMIT).map_err(|error| {
        refused(&config::describe(&error))
            .hint(format!("{LINE}; or give a variable its value with --var NAME=VALUE"))
    })?;
    let text = String::from_utf8(bytes).map_err(|_| refused(&"it is not UTF-8"))?;
    let values: BTreeMap<String, String> =
        toml::from_str(&text).map_err(|error| refused(&error.message()).hint(LINE))?;
    match values.keys().find_map(|name| Some((name, variable_name(name).err()?))) {
        Some((name, why)) => Err(refused(&format!("{}: {why}", crate::ui::plan::visible(name)))),
        None => Ok(values),
    }
}

/// Those of `--var` that the file does not use, which are probably misspelt.
pub(super) fn unused<'a>(global: &'a GlobalArgs, used: &BTreeMap<String, String>) -> Vec<&'a str> {
    global.vars.iter().map(|(name, _)| name.as_str()).filter(|name| !used.contains_key(*name)).collect()
}
