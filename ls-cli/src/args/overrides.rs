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
    /// Returns whether a key outside of all tables is overridden.
    pub(crate) fn names(&self, key: &str) -> bool {
        let mut assignments = self.assignments.iter();
        assignments.any(|own| own.tables.is_empty() && own.key == key)
    }

    /// Returns the configuration with the given keys in place of its own.
    ///
    /// # Errors
    /// Exit code 2 for a key or a value that configurations do not have.
    pub(crate) fn apply(&self, mut config: RunConfig) -> Result<RunConfig, Failure> {
        // A configuration that a table cannot hold is refused with the other wrong values.
        if self.assignments.is_empty() {
            return Ok(config);
        }
        let unwritten = |error| Failure::new(format!("cannot write the configuration: {error}"));
        let mut table = Table::try_from(&config).map_err(unwritten)?;
        // A later key may complete an earlier one, so that only failures without a success after them count.
        let mut failures = Vec::new();
        for assignment in &self.assignments {
            assignment.apply(&mut table)?;
            match RunConfig::from_table(table.clone()) {
                Ok(complete) => {
                    // Keys that were left out, as of another method, take their usual values.
                    table = Table::try_from(&complete).map_err(unwritten)?;
                    config = complete;
                    failures.clear();
                }
                Err(error) => failures.push(format!("--set {}: {error}", assignment.text)),
            }
        }
        match failures.into_iter().next() {
            None => Ok(config),
            Some(failure) => Err(Failure::new(failure)),
        }
    }
}

/// One key with its new value.
#[derive(Clone, Debug, PartialEq)]
struct Assignment {
    /// The whole option.
    text: String,
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
            text: text.into(),
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
            if let Value::String(short) = inner {
                // A name is the short form of a table, such as that of an optimizer.
                *inner = Value::Table(Table::from_iter([("name".into(), short.clone().into())]));
            }
            table = inner.as_table_mut().ok_or_else(|| {
                Failure::new(format!(
                    "--set {}: `{name}` is a single value, so it has no key `{}`",
                    self.text, self.key
                ))
            })?;
        }
        table.insert(self.key.clone(), self.value.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
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
        let model = Table::try_from(&config.model).unwrap();
        assert_eq!(model["hidden"], Value::from(vec![3, 4]));
        assert_eq!(set(&[]).unwrap(), RunConfig::default());
    }

    #[test]
    fn a_name_becomes_a_table_where_a_key_below_it_is_set() {
        let assignments = ["method={name=\"backprop\"}", "method.optimizer.beta_1=0.95"];
        let method = Table::try_from(set(&assignments).unwrap().method).unwrap();
        assert_eq!(method["optimizer"]["name"].as_str(), Some("adam"));
        assert_eq!(method["optimizer"]["beta_1"].as_float(), Some(0.95));
    }

    #[test]
    fn a_key_may_complete_an_earlier_one() {
        let assignments = ["method.name=foof", "method={name=\"foof\"}"];
        assert_eq!(set(&assignments).unwrap().method.name(), "foof");
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_known_ones() {
        let text = set(&["sweps=3"]).unwrap_err();
        assert!(
            text.starts_with("--set sweps=3: ")
                && text.contains("unknown field `sweps`, expected one of `schema`"),
            "{text}"
        );
        let text = set(&["method.nothing=3"]).unwrap_err();
        assert!(text.contains("unknown field `nothing`"), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused_with_its_assignment() {
        let text = set(&["sweeps=many"]).unwrap_err();
        assert!(
            text.starts_with("--set sweeps=many: ") && text.contains("expected a whole number"),
            "{text}"
        );
        let text = set(&["seed.x=1"]).unwrap_err();
        assert_eq!(
            text,
            "--set seed.x=1: `seed` is a single value, so it has no key `x`"
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
