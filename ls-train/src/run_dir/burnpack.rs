//! Files in Burn's own format.

use std::any::Any;
use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use burn::module::Module;
use burn::store::ModuleRecord;

/// Bytes of magic number, version and size of the metadata.
const HEADER: usize = 10;

/// Where the size of the metadata stands, as a little-endian u32.
const METADATA_SIZE: core::ops::Range<usize> = 6..HEADER;

/// Loads a file into a module of its shape, in the module's precision.
///
/// # Errors
/// What is wrong with the file, in words.
pub(super) fn load<M: Module>(module: M, path: &Path) -> Result<M, String> {
    ensure_whole(path)?;
    // A file may hold what is no number of the module's at all; Burn finds that out by a panic.
    let loaded = catch_unwind(AssertUnwindSafe(|| {
        module.try_load_record(ModuleRecord::load(path)?.cast_to_module_dtype())
    }));
    match loaded {
        Ok(loaded) => loaded.map_err(|error| error.to_string()),
        Err(cause) => Err(words(cause.as_ref())),
    }
}

/// What a panic said.
fn words(cause: &(dyn Any + Send)) -> String {
    let text = cause.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| cause.downcast_ref::<&str>().copied());
    text.unwrap_or("it does not hold what it should").to_owned()
}

/// Checks that a file is as long as its header claims: Burn's reader allocates as much as is claimed before it looks.
///
/// # Errors
/// What is wrong with the file, in words.
pub(super) fn ensure_whole(path: &Path) -> Result<(), String> {
    let open = || -> std::io::Result<([u8; HEADER], u64)> {
        let mut file = File::open(path)?;
        let mut header = [0; HEADER];
        file.read_exact(&mut header)?;
        Ok((header, file.metadata()?.len()))
    };
    let (header, length) = open().map_err(|error| error.to_string())?;
    let mut size = [0; 4];
    size.copy_from_slice(&header[METADATA_SIZE]);
    let claimed = HEADER as u64 + u64::from(u32::from_le_bytes(size));
    if claimed > length {
        return Err(format!(
            "it ends after {length} bytes, and its header alone takes {claimed}"
        ));
    }
    Ok(())
}
