//! Everything that a user reads: only this folder prints.
//!
//! | module | holds |
//! | --- | --- |
//! | `format` | numbers for people |
//! | `summary` | the summary of a run as text |
//! | `printer` | standard output and standard error |
//! | `download` | the progress of a download |
//! | `terminal` | the width of the terminal, and its keys |

mod download;
pub(crate) mod format;
mod printer;
mod summary;
pub(crate) mod terminal;

pub(crate) use download::DownloadView;
pub(crate) use printer::{Level, Ui};
