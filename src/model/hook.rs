//! A program that runs after an apply.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::shell_word::shell_word;

/// `[[hooks]]`: a program with its arguments, and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// The program and its arguments. There is no shell. Never empty.
    pub after_apply: Vec<String>,
    /// In seconds; `null`: as long as it takes.
    #[serde(rename = "timeout_seconds", serialize_with = "to_seconds", deserialize_with = "of_seconds")]
    #[schemars(with = "Option<f64>")]
    pub timeout: Option<Duration>,
}

impl Hook {
    /// The name of the program, or its path.
    #[must_use]
    pub fn program(&self) -> &str {
        self.after_apply.first().map_or("", String::as_str)
    }

    /// What the program gets as arguments.
    #[must_use]
    pub fn arguments(&self) -> &[String] {
        self.after_apply.get(1..).unwrap_or_default()
    }
}

/// As one would type it in a shell.
impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.after_apply.iter().map(|word| shell_word(word)).collect();
        f.write_str(&words.join(" "))
    }
}

#[expect(clippy::ref_option, reason = "serde passes it in this way")]
fn to_seconds<S: Serializer>(timeout: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    timeout.map(|timeout| timeout.as_secs_f64()).serialize(serializer)
}

fn of_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let seconds = Option::<f64>::deserialize(deserializer)?;
    seconds.map(Duration::try_from_secs_f64).transpose().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(words: &[&str], timeout: Option<Duration>) -> Hook {
        Hook { after_apply: words.iter().map(|word| (*word).to_owned()).collect(), timeout }
    }

    #[test]
    fn it_is_shown_as_it_would_be_typed() {
        let told = hook(&["kubectl", "rollout", "restart", "deployment/gateway"], None).to_string();
        assert_eq!(told, "kubectl rollout restart deployment/gateway");
        assert_eq!(hook(&["sh", "-c", "it's $X\n", ""], None).to_string(), r"sh -c $'it\'s $X\x0a' ''");
    }

    #[test]
    fn what_is_written_is_read() {
        for timeout in [None, Some(Duration::from_millis(1500))] {
            let hook = hook(&["x", "y"], timeout);
            let text = serde_json::to_string(&hook).unwrap();
            assert_eq!(serde_json::from_str::<Hook>(&text).unwrap(), hook, "{text}");
        }
    }
}
