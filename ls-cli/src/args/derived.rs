//! Options derived from the schemas of configurations.
//!
//! Each key of a configuration is an option `--KEY VALUE`, with the doc comment of its field as help. A key that several configurations
//! have is one option.

use clap::builder::{
    BoolValueParser, PossibleValue, PossibleValuesParser, StringValueParser, TypedValueParser,
    ValueParser,
};
use clap::{Arg, ArgMatches};
use schemars::Schema;
use toml::{Table, Value};

use super::schema::{Kind, keys};
use super::values::{read_finite, toml_value};

/// An option for a key of one or several configurations.
pub(super) struct Flag {
    pub(super) key: String,
    kind: Kind,
    /// Help texts, each with the names of the configurations that it is for.
    helps: Vec<(String, Vec<&'static str>)>,
}

impl Flag {
    /// Lists the names of the configurations that have the key.
    pub(super) fn owners(&self) -> impl Iterator<Item = &'static str> {
        self.helps.iter().flat_map(|(_, owners)| owners).copied()
    }

    /// Makes clap's argument. The help names the owners of the key unless all `count` configurations have it.
    pub(super) fn arg(self, count: usize, heading: &'static str) -> Arg {
        let is_for_all = self.helps.len() == 1 && self.owners().count() == count;
        let helps = self.helps.iter().map(|(help, owners)| match is_for_all {
            true => help.clone(),
            false => format!("{help} [{}]", owners.join(", ")),
        });
        let help = helps.collect::<Vec<_>>().join("; ");
        let value = match self.kind {
            Kind::Integer(_) => "N".into(),
            Kind::Number => "NUMBER".into(),
            Kind::Boolean => "true|false".into(),
            _ => self.key.to_uppercase().replace('-', "_"),
        };
        let is_switch = matches!(self.kind, Kind::Boolean);
        let arg = match is_switch {
            // The option alone turns on.
            true => Arg::new(self.key.clone())
                .num_args(0..=1)
                .default_missing_value("true"),
            false => Arg::new(self.key.clone()),
        };
        arg.long(self.key)
            .value_name(value)
            .help(help)
            .help_heading(heading)
            .allow_negative_numbers(true)
            .value_parser(parser(self.kind))
    }
}

/// Lists the keys of all configurations, which are given by name.
pub(super) fn flags<'a>(
    configs: impl IntoIterator<Item = (&'static str, &'a Schema)>,
) -> Vec<Flag> {
    let mut flags: Vec<Flag> = Vec::new();
    for (name, schema) in configs {
        for key in keys(schema) {
            let Some(flag) = flags.iter_mut().find(|flag| flag.key == key.name) else {
                flags.push(Flag {
                    key: key.name,
                    kind: key.kind,
                    helps: vec![(key.help, vec![name])],
                });
                continue;
            };
            flag.kind.widen(key.kind);
            match flag.helps.iter_mut().find(|(help, _)| *help == key.help) {
                Some((_, owners)) => owners.push(name),
                None => flag.helps.push((key.help, vec![name])),
            }
        }
    }
    flags
}

/// Returns the settings that were given as options.
pub(super) fn given(flags: &[Flag], matches: &ArgMatches) -> Table {
    let given = flags.iter().filter_map(|flag| {
        let value = matches.get_one::<Value>(&flag.key)?;
        Some((flag.key.clone(), value.clone()))
    });
    given.collect()
}

/// Makes the reader of a value.
fn parser(kind: Kind) -> ValueParser {
    let text = StringValueParser::new();
    match kind {
        Kind::Boolean => BoolValueParser::new().map(Value::Boolean).into(),
        Kind::Any => text.map(|text| toml_value(&text)).into(),
        Kind::Number => {
            let number = |text: String| read_finite(&text).map(Value::Float);
            text.try_map(number).into()
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
