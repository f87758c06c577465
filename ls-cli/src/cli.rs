//! The commands, and how values on the command line are read.

use clap::builder::{PossibleValuesParser, TypedValueParser, styling};
use clap::{Parser, Subcommand};

use crate::commands::train::TrainArgs;

/// Train deep classifiers by layer separation: every report shows the original loss, the separated loss that bounds it, and
/// a certificate
#[derive(Debug, Parser)]
#[command(
    name = "layersep",
    version,
    arg_required_else_help = true,
    styles = styling::Styles::styled(),
    after_help = "Exit codes: 0 done, 1 done and the answer is no, 2 could not run, 130 interrupted"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Train(Box<TrainArgs>),
}

/// Reads one of several named values; help and errors list the names.
pub(crate) fn named<T: Copy + Send + Sync + 'static>(
    all: &'static [T],
    name: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(all.iter().map(move |&value| name(value))).try_map(move |text| {
        all.iter()
            .copied()
            .find(|&value| name(value) == text)
            .ok_or("unknown name")
    })
}

/// Widths of the hidden stages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Widths(pub(crate) Vec<usize>);

/// More stages than this are a slip of the keyboard.
const MOST_STAGES: usize = 10_000;

impl core::str::FromStr for Widths {
    type Err = String;

    /// `100,100`, `64x10` for ten of 64, both mixed, or `none`.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(Vec::new()));
        }
        let mut widths = Vec::new();
        for part in text.split(',') {
            let (width, times) = part.split_once('x').unwrap_or((part, "1"));
            let positive = |number: &str| number.trim().parse().ok().filter(|&n: &usize| n > 0);
            let (Some(width), Some(times)) = (positive(width), positive(times)) else {
                return Err(format!(
                    "`{part}` is no width; write `100,100`, `64x10` for ten of 64, or `none`"
                ));
            };
            if widths.len() + times > MOST_STAGES {
                return Err(format!("more than {MOST_STAGES} hidden stages"));
            }
            widths.extend(core::iter::repeat_n(width, times));
        }
        Ok(Self(widths))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_lists_and_repetitions() {
        let read = |text: &str| text.parse::<Widths>().map(|widths| widths.0);
        assert_eq!(read("100,100").unwrap(), [100, 100]);
        assert_eq!(read("64x3").unwrap(), [64, 64, 64]);
        assert_eq!(read("128,64x2").unwrap(), [128, 64, 64]);
        assert!(read("none").unwrap().is_empty());
        for wrong in ["", "0", "64x0", "a", "64x", "1,,2", "-3", "1x99999999999"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
