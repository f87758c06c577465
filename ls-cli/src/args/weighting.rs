//! The options that choose the weights of the residuals, derived from their configuration.

use clap::{ArgMatches, Args, Command, FromArgMatches};
use ls_core::objective::Weighting;
use schemars::schema_for;
use toml::Table;

use super::derived::{Flag, flags, given};
use crate::failure::Failure;

/// The weights of the residuals that were given as options.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct WeightingArgs {
    settings: Table,
}

impl WeightingArgs {
    /// Returns the weights.
    ///
    /// # Errors
    /// Exit code 2 for options that exclude each other, and for values out of range.
    pub(crate) fn config(&self) -> Result<Weighting, Failure> {
        let weighting: Weighting = self
            .settings
            .clone()
            .try_into()
            .map_err(|error: toml::de::Error| Failure::new(error.message().trim()))?;
        weighting.check().map_err(ls_train::Error::from)?;
        Ok(weighting)
    }
}

fn all_flags() -> Vec<Flag> {
    flags([("weighting", &schema_for!(Weighting))])
}

impl FromArgMatches for WeightingArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let settings = given(&all_flags(), matches);
        Ok(Self { settings })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for WeightingArgs {
    fn augment_args(command: Command) -> Command {
        let flags = all_flags().into_iter();
        command.args(flags.map(|flag| flag.arg(1, "Weighting")))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
