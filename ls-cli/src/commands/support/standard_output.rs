//! `-` as the name of an output: standard output.

use std::path::Path;
use std::{fs, io, process};

use crate::failure::Failure;
use crate::ui::Ui;

/// Returns whether `--output` names standard output; a file of that name is `./-`.
pub(in crate::commands) fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Writes a file that is not text to standard output.
///
/// # Errors
/// Exit code 2 with `--json`, whose result would be mixed into the file, on a terminal, and for a file that cannot be made; errors of
/// `write`.
pub(in crate::commands) fn write_to_stdout(
    ui: &Ui,
    json: bool,
    write: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if json {
        return Err(Failure::new(
            "--output - and --json both write to standard output",
        ));
    }
    if ui.has_screen() {
        return Err(
            Failure::new("standard output is a terminal, and the file is not text")
                .hint("send it to a file or to another program, as in `-o - > FILE`"),
        );
    }
    let folder = std::env::temp_dir().join(format!("layersep-{}", process::id()));
    let failed = |error: io::Error| {
        Failure::new(format!("cannot write below {}: {error}", folder.display()))
    };
    fs::create_dir(&folder).map_err(failed)?;
    let file = folder.join("output");
    let written = write(&file).and_then(|()| fs::read(&file).map_err(failed));
    // Whatever it holds is a copy.
    let _ = fs::remove_dir_all(&folder);
    ui.bytes(&written?)
}
