//! `layersep data list`: the data sets.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use ls_datasets::Source;
use serde::Serialize;

use crate::commands::support::Context;
use crate::downloads;
use crate::failure::Failure;
use crate::ui::format::{bytes, count};

/// Show all data sets: samples, shapes, origins, and folders of downloads
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A data set as a program reads it.
#[derive(Debug, Serialize)]
struct Listed {
    name: &'static str,
    about: &'static str,
    train_samples: Option<usize>,
    test_samples: Option<usize>,
    shape: Option<String>,
    classes: Option<usize>,
    from: String,
    /// Folder that it was downloaded to.
    cached: Option<PathBuf>,
}

impl Listed {
    fn new(source: Source) -> Self {
        let facts = source.facts();
        let from = match (source.distribution(), source.files()) {
            (Some(distribution), _) => format!("download, {}", bytes(distribution.size())),
            (None, Some(files)) => format!("--data-dir DIR, which holds {files}"),
            (None, None) => "embedded".into(),
        };
        Self {
            name: source.name(),
            about: source.about(),
            train_samples: facts.map(|facts| facts.train_samples),
            test_samples: facts.map(|facts| facts.test_samples),
            shape: facts.map(|facts| facts.shape.to_string()),
            classes: facts.map(|facts| facts.classes),
            from,
            cached: downloads::complete(source),
        }
    }

    fn line(&self) -> String {
        let number = |value: Option<usize>| value.map_or("-".into(), count);
        let place = self.cached.as_ref();
        let place = place.map_or(String::new(), |path| format!(", is in {}", path.display()));
        format!(
            "{:<14}{:>7}{:>7}  {:<9}{:>7}  {}{place}\n",
            self.name,
            number(self.train_samples),
            number(self.test_samples),
            self.shape.as_deref().unwrap_or("-"),
            number(self.classes),
            self.from,
        )
    }
}

/// Runs the subcommand.
pub(super) fn run(args: &ListArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let all: Vec<Listed> = Source::ALL.iter().copied().map(Listed::new).collect();
    if args.json {
        context.ui.json(&all)?;
        return Ok(ExitCode::SUCCESS);
    }
    let header = format!(
        "{:<14}{:>7}{:>7}  {:<9}{:>7}  from\n",
        "name", "train", "test", "shape", "classes"
    );
    let lines: String = all.iter().map(Listed::line).collect();
    context.ui.text(&(header + &lines))?;
    Ok(ExitCode::SUCCESS)
}
