//! Readers of single values, and refusals of options without a meaning.

use core::fmt::Display;
use core::str::FromStr;

use clap::builder::{PossibleValue, PossibleValuesParser, StringValueParser, TypedValueParser};

use crate::failure::Failure;

/// Reads one of several named values; help and errors list the names.
pub(crate) fn named<T: Copy + Send + Sync + 'static>(
    all: &'static [T],
    name: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    let names = all.iter().map(move |&value| name(value));
    find(PossibleValuesParser::new(names), all, name)
}

/// Reads one of several named values; `--help` describes each.
pub(crate) fn described<T: Copy + Send + Sync + 'static>(
    all: &'static [T],
    name: fn(T) -> &'static str,
    about: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    let values = all
        .iter()
        .map(move |&value| PossibleValue::new(name(value)).help(about(value)));
    find(PossibleValuesParser::new(values), all, name)
}

/// Finds the value of a name that is one of them.
fn find<T: Copy + Send + Sync + 'static>(
    names: PossibleValuesParser,
    all: &'static [T],
    name: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    names.try_map(move |text| {
        all.iter()
            .copied()
            .find(|&value| name(value) == text)
            .ok_or("unknown name")
    })
}

/// An integer type that options take.
pub(crate) trait Whole:
    FromStr + PartialOrd + From<u8> + Display + Clone + Send + Sync + 'static
{
}

impl Whole for u64 {}
impl Whole for usize {}

/// Reads a whole number from 1.
pub(crate) fn count<T: Whole>() -> impl TypedValueParser<Value = T> {
    whole(T::from(1))
}

/// Reads a whole number from 0.
pub(crate) fn whole_number<T: Whole>() -> impl TypedValueParser<Value = T> {
    whole(T::from(0))
}

fn whole<T: Whole>(least: T) -> impl TypedValueParser<Value = T> {
    StringValueParser::new().try_map(move |text| {
        let found = text.parse().ok().filter(|number: &T| *number >= least);
        found.ok_or_else(|| format!("it must be a whole number from {least}"))
    })
}

/// Reads a finite number. A number beyond the range of f64 would be read as infinite.
pub(crate) fn finite() -> impl TypedValueParser<Value = f64> {
    StringValueParser::new().try_map(|text| read_finite(&text))
}

/// Reads a finite number from a text.
///
/// # Errors
/// What is wrong with the text, in words.
pub(crate) fn read_finite(text: &str) -> Result<f64, &'static str> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        Ok(_) => Err("it must be a finite number, at most about 1.8e308 in size"),
        Err(_) => Err("it must be a number"),
    }
}

/// Reads a TOML value; a text that is not TOML is a string.
pub(crate) fn toml_value(text: &str) -> toml::Value {
    text.parse().unwrap_or_else(|_| text.into())
}

/// Replaces a value if another one was given.
pub(crate) fn set<T>(place: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *place = given;
    }
}

/// Refuses the first given option of the list, because it has no meaning in this place.
///
/// # Errors
/// One line that names the option and the place.
pub(crate) fn refuse(place: &str, options: &[(&str, bool)]) -> Result<(), Failure> {
    match options.iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((option, _)) => Err(Failure::new(format!(
            "{option} has no meaning with {place}"
        ))),
    }
}
