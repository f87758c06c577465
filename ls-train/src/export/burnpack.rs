//! Burn's own format, for programs on Burn: they build the network with `ls-core` and read the file with `Network::try_load_file`.
//!
//! The file keeps the precision of the weights, and a module that reads it takes that precision over;
//! `ModuleRecord::cast_to_module_dtype` keeps the precision of the module.

use std::path::Path;

use super::ExportFormat;
use crate::run_dir::burnpack;
use crate::{Error, Result, Trained, files};

pub(super) const FORMAT: ExportFormat = ExportFormat {
    name: "burn",
    about: "Burn's own format, for programs that build the network with ls-core; in the precision of the run",
    file_name: "model-export.bpk",
    write,
};

fn write(trained: &Trained, path: &Path) -> Result<()> {
    let bytes = burnpack::to_numbered_bytes(trained.network.clone());
    let bytes = bytes.map_err(|error| Error::file("write", path, error))?;
    files::write(path, &bytes)
}
