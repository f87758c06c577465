//! Burn's own format, for programs on Burn: `Network::try_load_file` reads it, as `ls-core` builds the network.
//!
//! Weights keep their precision, and a module takes that of the file; `ModuleRecord::cast_to_module_dtype` reads them in the module's.

use std::path::Path;

use burn::module::Module;

use super::Format;
use crate::{Error, Result, Trained};

pub(super) const FORMAT: Format = Format {
    name: "burn",
    about: "Burn's own format, for programs that build the network with ls-core",
    extension: "bpk",
    write,
};

fn write(trained: &Trained, path: &Path) -> Result<()> {
    // Burn adds an ending of its own to other names.
    let draft = path.with_extension("draft.bpk");
    let network = trained.network.clone();
    network
        .save_file(&draft)
        .map_err(|error| Error::file("write", path, error))?;
    std::fs::rename(&draft, path).map_err(|error| Error::file("write", path, error))
}
