//! The work that several commands share.

mod comparison;
mod context;
mod folder;
mod memory;
mod output;
mod run_folders;
mod signals;
mod standard_output;
mod trained;

pub(super) use comparison::run_all;
pub(crate) use context::Context;
pub(super) use folder::{new_folder, remove_if_empty};
pub(super) use memory::ensure_fits;
pub(super) use output::{ensure_replaceable, none_is_earlier};
pub(super) use run_folders::{run_folders, runs_of_comparison};
pub(super) use signals::stop_on_signal;
pub(super) use standard_output::{is_stdout, write_to_stdout};
pub(super) use trained::{load, precision_of};
