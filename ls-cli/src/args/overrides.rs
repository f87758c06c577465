//! `--set KEY=VALUE`: any key of the configuration by its dotted path.

use core::str::FromStr;

use clap::Args;
use ls_train::config::RunConfig;
use toml::{Table, Value};

use super::values::toml_value;
use crate::failure::Failure;

/// The options that override single keys of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Args)]
pub(crate) struct SetArgs {
    /// Override a key of the configuration by its path, such as `method.gram-rows=4096`; may be repeated, and wins over every other
    /// option
    #[arg(long = "set", value_name = "KEY=VALUE")]
    assignments: Vec<Assignment>,
}

impl SetArgs {
    /// Returns the configuration with the given keys in place of its own.
    ///
    /// # Errors
    /// Exit code 2 for a key or a value that configurations do not have.
    pub(crate) fn apply(&self, config: RunConfig) -> Result<RunConfig, Failure> {
        if self.assignments.is_empty() {
            return Ok(config);
        }
        let mut table = Table::try_from(&config).map_err(|error| failed(&error))?;
        for assignment in &self.assignments {
            assignment.apply(&mut table)?;
        }
        table
            .try_into()
            .map_err(|error: toml::de::Error| failed(&error))
    }
}

/// Puts an error of several lines into one.
fn failed(error: &impl ToString) -> Failure {
    let text = error.to_string().trim().replace('\n', " ");
    let text = text
        .replace("expected usize", "expected a whole number")
        .replace("expected u64", "expected a whole number")
        .replace("expected f64", "expected a number");
    Failure::new(format!("--set: {text}"))
}

/// One key with its new value.
#[derive(Clone, Debug, PartialEq)]
struct Assignment {
    /// Names of the tables around the key, from the outermost.
    tables: Vec<String>,
    key: String,
    value: Value,
}

impl FromStr for Assignment {
    type Err = &'static str;

    /// Reads `a.b=VALUE`; a value that is not TOML is a string.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = "write KEY=VALUE, such as `seed=4` or `method.damping=0.1`";
        let (path, value) = text.split_once('=').ok_or(malformed)?;
        let mut tables: Vec<_> = path.split('.').map(|key| key.trim().to_owned()).collect();
        if tables.iter().any(String::is_empty) {
            return Err(malformed);
        }
        Ok(Self {
            key: tables.pop().ok_or(malformed)?,
            tables,
            value: toml_value(value),
        })
    }
}

impl Assignment {
    fn apply(&self, config: &mut Table) -> Result<(), Failure> {
        let mut table = config;
        for name in &self.tables {
            let inner = table
                .entry(name)
                .or_insert_with(|| Value::Table(Table::new()));
            table = inner.as_table_mut().ok_or_else(|| {
                Failure::new(format!(
                    "--set: `{name}` is a single value, so it has no key `{}`",
                    self.key
                ))
            })?;
        }
        table.insert(self.key.clone(), self.value.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ls_core::model::ModelConfig;
    use ls_train::config::RunNetwork;

    use super::*;

    fn set(assignments: &[&str]) -> Result<RunConfig, String> {
        let assignments = assignments.iter().map(|text| text.parse());
        let assignments = assignments.collect::<Result<Vec<Assignment>, _>>()?;
        let set = SetArgs { assignments };
        set.apply(RunConfig::default())
            .map_err(|failure| failure.to_string())
    }

    #[test]
    fn keys_of_every_depth_are_overridden_and_the_last_value_wins() {
        let config = set(&[
            "seed=7",
            "data.dataset=mnist",
            "batch-size=50",
            "model.hidden=[3, 4]",
            "seed=8",
        ])
        .unwrap();
        assert_eq!((config.seed, config.data.dataset.as_str()), (8, "mnist"));
        assert_eq!(config.model, {
            let mut expected = RunConfig::default().model;
            if let RunNetwork::Library(ModelConfig::Mlp(mlp)) = &mut expected {
                mlp.hidden = vec![3, 4];
            }
            expected
        });
        assert_eq!(set(&[]).unwrap(), RunConfig::default());
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_known_ones() {
        let text = set(&["sweps=3"]).unwrap_err();
        assert!(
            text.starts_with("--set: unknown field `sweps`, expected one of `schema`"),
            "{text}"
        );
        let text = set(&["method.nothing=3"]).unwrap_err();
        assert!(text.contains("unknown field `nothing`"), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused_with_its_key() {
        let text = set(&["sweeps=many"]).unwrap_err();
        assert!(
            text.contains("expected a whole number") && text.contains("in `sweeps`"),
            "{text}"
        );
        let text = set(&["seed.x=1"]).unwrap_err();
        assert_eq!(
            text,
            "--set: `seed` is a single value, so it has no key `x`"
        );
    }

    #[test]
    fn a_malformed_assignment_is_refused_with_an_example() {
        for wrong in ["", "seed", "=3", "data.=3", ".seed=3"] {
            let text = set(&[wrong]).unwrap_err();
            assert!(text.starts_with("write KEY=VALUE"), "{wrong}: {text}");
        }
    }
}
