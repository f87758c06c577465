//! The surroundings of a command.

use crate::ui::Ui;

/// Everything that a command gets beside its own arguments.
pub(crate) struct Context<'a> {
    pub(crate) ui: &'a Ui,
    /// Builds the parser of the whole program.
    pub(crate) parser: fn() -> clap::Command,
}
