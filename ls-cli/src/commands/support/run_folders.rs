//! The run folders of a comparison.

use std::fs;
use std::path::{Path, PathBuf};

/// The file that every run folder has.
const CONFIG_FILE: &str = "config.toml";

/// Returns the run folders of a comparison or an experiment, without those of the search for settings, which lie deeper; none for other
/// folders.
pub(in crate::commands) fn runs_of_comparison(folder: &Path) -> Vec<PathBuf> {
    let entries = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        paths
    };
    let is_run = |folder: &PathBuf| folder.join(CONFIG_FILE).exists();
    let cases = entries(&folder.join("runs"));
    let runs = cases.iter().flat_map(|case| entries(case));
    runs.filter(is_run).collect()
}

/// Replaces the folder of a comparison by its run folders.
pub(in crate::commands) fn run_folders(folder: &Path) -> Vec<PathBuf> {
    if folder.join(CONFIG_FILE).exists() {
        return vec![folder.to_owned()];
    }
    match runs_of_comparison(folder) {
        runs if runs.is_empty() => vec![folder.to_owned()],
        runs => runs,
    }
}
