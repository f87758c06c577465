//! The options that choose the method and its settings, derived from the configurations of all methods.
//!
//! A new method, or a new key of one, needs no change here.

use core::marker::PhantomData;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use ls_train::config::{MethodConfig, RunMethod};
use schemars::Schema;
use toml::{Table, Value};

use super::derived::{Flag, flags, given};
use crate::failure::Failure;

/// Key of a configuration that holds the name of the method, and id of its option.
const NAME: &str = "name";

/// Heading of the options in help.
const HEADING: &str = "Method";

/// A method that `--method` can name.
pub(crate) struct MethodEntry {
    pub(crate) name: &'static str,
    /// One line for the help.
    pub(crate) about: &'static str,
    /// Schema of the settings.
    pub(crate) schema: Schema,
    /// Default settings.
    pub(crate) defaults: Table,
}

/// A list of methods to derive options from.
pub(crate) trait Methods {
    /// Lists the methods.
    fn list() -> Vec<MethodEntry>;
}

/// The methods of the library.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Library;

impl Methods for Library {
    fn list() -> Vec<MethodEntry> {
        let all = MethodConfig::all().into_iter();
        let entry = all.map(|info| MethodEntry {
            name: info.name,
            about: info.about,
            schema: info.schema,
            defaults: info.default.into(),
        });
        entry.collect()
    }
}

/// The method and the settings that were given as options.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct MethodArgs<M = Library> {
    name: Option<String>,
    settings: Table,
    methods: PhantomData<M>,
}

impl MethodArgs {
    /// Returns the method of `base`, or another one from its defaults, with the given settings in place of its own.
    ///
    /// # Errors
    /// Exit code 2 for a setting that the method does not have, and for settings that exclude each other.
    pub(crate) fn config(&self, base: RunMethod) -> Result<RunMethod, Failure> {
        if *self == Self::default() {
            return Ok(base);
        }
        let table = self.table(&base.into())?;
        let config = MethodConfig::try_from(table).map_err(ls_train::Error::from)?;
        Ok(config.into())
    }
}

impl<M: Methods> MethodArgs<M> {
    /// Lays the given options over the table of a method.
    fn table(&self, base: &Table) -> Result<Table, Failure> {
        let own = base.get(NAME).and_then(Value::as_str).unwrap_or_default();
        let chosen = self.name.as_deref().unwrap_or(own);
        let methods = M::list();
        self.refuse_settings_of_other_methods(chosen, &all_flags(&methods))?;
        let mut config = Table::from_iter([(NAME.to_owned(), chosen.into())]);
        if chosen == own {
            // A default is left out: beside a given setting it may have no meaning.
            let method = methods.iter().find(|method| method.name == own);
            let default = |key: &str| method.and_then(|method| method.defaults.get(key));
            let others = base
                .iter()
                .filter(|(key, value)| default(key) != Some(value));
            config.extend(others.map(|(key, value)| (key.clone(), value.clone())));
        }
        config.extend(self.settings.clone());
        Ok(config)
    }

    fn refuse_settings_of_other_methods(
        &self,
        chosen: &str,
        flags: &[Flag],
    ) -> Result<(), Failure> {
        let mut given = flags
            .iter()
            .filter(|flag| self.settings.contains_key(&flag.key));
        match given.find(|flag| flag.owners().all(|name| name != chosen)) {
            None => Ok(()),
            Some(flag) => Err(Failure::new(format!(
                "--{} has no meaning with --method {chosen}; methods that take it: {}",
                flag.key,
                flag.owners().collect::<Vec<_>>().join(", ")
            ))),
        }
    }
}

impl<M: Methods> FromArgMatches for MethodArgs<M> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self {
            name: matches.get_one::<String>(NAME).cloned(),
            settings: given(&all_flags(&M::list()), matches),
            methods: PhantomData,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<M: Methods> Args for MethodArgs<M> {
    fn augment_args(command: Command) -> Command {
        let methods = M::list();
        let values = methods.iter();
        let values = values.map(|method| PossibleValue::new(method.name).help(method.about));
        let name = Arg::new(NAME)
            .long("method")
            .value_name("METHOD")
            .help("Training method [default: exact; foof with a --batch-size]")
            .help_heading(HEADING)
            .value_parser(PossibleValuesParser::new(values));
        let flags = all_flags(&methods).into_iter();
        command
            .arg(name)
            .args(flags.map(|flag| flag.arg(methods.len(), HEADING)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn all_flags(methods: &[MethodEntry]) -> Vec<Flag> {
    flags(methods.iter().map(|method| (method.name, &method.schema)))
}

#[cfg(test)]
#[path = "method_tests.rs"]
mod tests;
