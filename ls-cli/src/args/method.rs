//! The options of the methods, derived from the schemas of their configurations.
//!
//! Each key of a configuration is an option `--KEY VALUE`, with the doc comment of its field as help. A key that several methods have
//! is one option. A new method, or a new key, needs no change here.

use core::marker::PhantomData;

use clap::builder::{
    BoolValueParser, PossibleValue, PossibleValuesParser, StringValueParser, TypedValueParser,
    ValueParser,
};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use schemars::Schema;
use toml::{Table, Value};

use ls_core::batch::BatchSize;
use ls_core::method::MethodConfig;
use ls_train::config::RunMethod;

use super::schema::{Kind, keys};
use super::values::toml_value;
use crate::failure::Failure;

/// Key of a configuration that holds the name of the method, and id of the option.
const NAME: &str = "name";

/// A method that `--method` can name.
pub(crate) struct MethodEntry {
    pub(crate) name: &'static str,
    /// One line for the help.
    pub(crate) about: &'static str,
    /// Schema of the configuration, without the name.
    pub(crate) schema: Schema,
}

/// A list of methods to derive options from; the first one is the default.
pub(crate) trait Methods {
    /// Lists the methods.
    fn list() -> Vec<MethodEntry>;
}

/// The methods of the library.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LibraryMethods;

impl Methods for LibraryMethods {
    fn list() -> Vec<MethodEntry> {
        let entry = |info: ls_core::method::MethodInfo| MethodEntry {
            name: info.name,
            about: info.about,
            schema: info.schema,
        };
        MethodConfig::all().into_iter().map(entry).collect()
    }
}

impl MethodArgs<LibraryMethods> {
    /// Returns the method of a run: that of a configuration file, or the one that suits the batches, unless an option names
    /// another.
    ///
    /// # Errors
    /// Exit code 2 for a setting that the method does not have, or a value that it does not take.
    pub(crate) fn method(
        &self,
        file: Option<RunMethod>,
        batch_size: BatchSize,
    ) -> Result<RunMethod, Failure> {
        let base = file.unwrap_or_else(|| MethodConfig::suited_to(batch_size).into());
        if *self == Self::default() {
            return Ok(base);
        }
        let table = self.config(&base.into())?;
        let config = MethodConfig::try_from(table).map_err(ls_train::Error::from)?;
        Ok(config.into())
    }
}

/// The method and the settings that were given as options.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct MethodArgs<M = LibraryMethods> {
    name: Option<String>,
    settings: Table,
    methods: PhantomData<M>,
}

impl<M: Methods> MethodArgs<M> {
    /// Returns the method of `base`, or another one from its defaults, with the given settings in place of its own.
    ///
    /// # Errors
    /// Exit code 2 for a setting that the method does not have.
    pub(crate) fn config(&self, base: &Table) -> Result<Table, Failure> {
        let own = base.get(NAME).and_then(Value::as_str).unwrap_or_default();
        let chosen = self.name.as_deref().unwrap_or(own);
        for flag in flags(&M::list()) {
            if self.settings.contains_key(&flag.key) && !flag.methods().any(|name| name == chosen) {
                return Err(Failure::new(format!(
                    "--{} has no meaning with --method {chosen}; methods that take it: {}",
                    flag.key,
                    flag.methods().collect::<Vec<_>>().join(", ")
                )));
            }
        }
        let mut config = match chosen == own {
            true => base.clone(),
            false => Table::from_iter([(NAME.to_owned(), chosen.into())]),
        };
        config.extend(self.settings.clone());
        Ok(config)
    }
}

impl<M: Methods> FromArgMatches for MethodArgs<M> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = flags(&M::list()).into_iter().filter_map(|flag| {
            let value = matches.get_one::<Value>(&flag.key)?;
            Some((flag.key, value.clone()))
        });
        Ok(Self {
            name: matches.get_one::<String>(NAME).cloned(),
            settings: given.collect(),
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
        let default = methods.first().map_or("", |method| method.name);
        let name = Arg::new(NAME)
            .long("method")
            .value_name("METHOD")
            .help(format!("Training method [default: {default}]"))
            .help_heading("Method")
            .value_parser(PossibleValuesParser::new(values));
        let count = methods.len();
        let flags = flags(&methods).into_iter();
        command.arg(name).args(flags.map(|flag| flag.arg(count)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// An option for a key of some methods.
struct Flag {
    key: String,
    kind: Kind,
    /// Help texts, each with the methods that it is for.
    helps: Vec<(String, Vec<&'static str>)>,
}

impl Flag {
    fn methods(&self) -> impl Iterator<Item = &'static str> {
        self.helps.iter().flat_map(|(_, methods)| methods).copied()
    }

    /// Makes clap's argument; `count` is the number of all methods.
    fn arg(self, count: usize) -> Arg {
        let is_for_all = self.methods().count() == count;
        let helps = self.helps.iter().map(|(help, methods)| match is_for_all {
            true if self.helps.len() == 1 => help.clone(),
            _ => format!("{help} [{}]", methods.join(", ")),
        });
        let help = helps.collect::<Vec<_>>().join("; ");
        let value = match self.kind {
            Kind::Integer(_) => "N".into(),
            Kind::Number => "NUMBER".into(),
            _ => self.key.to_uppercase().replace('-', "_"),
        };
        Arg::new(self.key.clone())
            .long(self.key)
            .value_name(value)
            .help(help)
            .help_heading("Method")
            .allow_negative_numbers(true)
            .value_parser(parser(self.kind))
    }
}

/// Lists the keys of all methods.
fn flags(methods: &[MethodEntry]) -> Vec<Flag> {
    let mut flags: Vec<Flag> = Vec::new();
    for method in methods {
        for key in keys(&method.schema) {
            let Some(flag) = flags.iter_mut().find(|flag| flag.key == key.name) else {
                flags.push(Flag {
                    key: key.name,
                    kind: key.kind,
                    helps: vec![(key.help, vec![method.name])],
                });
                continue;
            };
            flag.kind.widen(key.kind);
            match flag.helps.iter_mut().find(|(help, _)| *help == key.help) {
                Some((_, methods)) => methods.push(method.name),
                None => flag.helps.push((key.help, vec![method.name])),
            }
        }
    }
    flags
}

/// Makes the reader of a value.
fn parser(kind: Kind) -> ValueParser {
    let text = StringValueParser::new();
    match kind {
        Kind::Boolean => BoolValueParser::new().map(Value::Boolean).into(),
        Kind::Any => text.map(|text| toml_value(&text)).into(),
        Kind::Number => {
            let read = |text: String| text.parse().map(Value::Float);
            text.try_map(move |text| read(text).map_err(|_| "it must be a number"))
                .into()
        }
        Kind::Integer(least) => {
            let read = move |text: String| text.parse().ok().filter(|number| *number >= least);
            text.try_map(move |text| {
                let number = read(text).map(Value::Integer);
                number.ok_or_else(|| format!("it must be a whole number from {least}"))
            })
            .into()
        }
        Kind::Choice(names) => {
            let names = names.into_iter();
            let values = names.map(|(name, help)| match help {
                Some(help) => PossibleValue::new(name).help(help),
                None => PossibleValue::new(name),
            });
            let names = PossibleValuesParser::new(values);
            names.map(Value::String).into()
        }
    }
}

#[cfg(test)]
#[path = "method_tests.rs"]
mod tests;
