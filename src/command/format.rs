//! `--format`: the formats that there are, and those that a verb has.
//!
//! Before the verb every format parses, because the verb is not known yet. Behind it, help and completions offer the
//! formats of that verb only. [`VerbName::formats`] is the only list of them.

use std::ffi::OsStr;

use clap::builder::{EnumValueParser, PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Arg, Command, ValueEnum};
use strum::{IntoStaticStr, VariantArray as _};

use super::verb_name::VerbName;
use crate::error::Error;
use crate::model::words;

/// The id that clap's derive gives to `--format`.
const FORMAT: &str = "format";

/// `--format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, IntoStaticStr)]
#[strum(const_into_str, serialize_all = "kebab-case")]
pub enum Format {
    /// Text for people.
    #[default]
    Text,
    /// JSON for scripts.
    Json,
    /// A comment on a pull request.
    Markdown,
    /// A page for a browser, in one file.
    Html,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Annotations in a pull request on GitHub.
    Github,
    /// A Code Quality report of GitLab.
    Gitlab,
}

impl Format {
    /// As the command line writes it.
    pub(super) const fn name(self) -> &'static str {
        self.into_str()
    }
}

impl VerbName {
    /// The formats that the verb writes.
    pub(super) const fn formats(self) -> &'static [Format] {
        match self {
            Self::Plan | Self::ShowPlan => {
                &[Format::Text, Format::Json, Format::Markdown, Format::Html]
            }
            Self::Status => &[Format::Text, Format::Json, Format::Html],
            Self::Validate => &[Format::Text, Format::Json, Format::Sarif, Format::Github, Format::Gitlab],
            Self::Apply
            | Self::Import
            | Self::List
            | Self::Show
            | Self::Cleartokens
            | Self::Createapplication
            | Self::RotateSecret
            | Self::HashSecret
            | Self::History
            | Self::Undo
            | Self::Doctor
            | Self::Migrate
            | Self::Version
            // A schema is JSON in both formats.
            | Self::Schema => &[Format::Text, Format::Json],
            Self::Init | Self::Completions | Self::Man => &[Format::Text],
        }
    }
}

/// Gives each verb a `--format` that offers its own formats. clap passes a global argument on to the subcommands that do
/// not define it themselves, and takes the value from wherever it was written.
pub(super) fn with_own_formats(command: Command) -> Command {
    let global = command.get_arguments().find(|arg| arg.get_id() == FORMAT).cloned();
    let Some(global) = global else { return command };
    VerbName::VARIANTS.iter().fold(command, |command, verb| {
        let own = global.clone().value_parser(Own(*verb)).help("How the answer is written");
        command.mut_subcommand(verb.name(), |subcommand| subcommand.arg(own))
    })
}

/// Offers the formats of one verb. It accepts the others too: [`check`] refuses them wherever they were written.
#[derive(Clone, Copy)]
struct Own(VerbName);

impl Own {
    fn offered(self) -> impl Iterator<Item = PossibleValue> {
        self.0.formats().iter().filter_map(ValueEnum::to_possible_value)
    }
}

impl TypedValueParser for Own {
    type Value = Format;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<Format, clap::Error> {
        EnumValueParser::<Format>::new().parse_ref(command, arg, value).map_err(|unknown| {
            // The same error, but with the names of this verb's formats only.
            let own = PossibleValuesParser::new(self.offered());
            own.parse_ref(command, arg, value).err().unwrap_or(unknown)
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.offered()))
    }
}

/// Refuses a format that the verb does not write.
///
/// # Errors
/// With the names of those that it writes.
pub(super) fn check(verb: VerbName, wanted: Format) -> Result<(), Error> {
    let offered = verb.formats();
    if offered.contains(&wanted) {
        return Ok(());
    }
    let names: Vec<String> = offered.iter().map(|format| format!("`{}`", format.name())).collect();
    let (verb, wanted) = (verb.name(), wanted.name());
    Err(Error::usage(format!("`{verb}` has no format `{wanted}`; it writes {}", words::listed(&names))))
}
