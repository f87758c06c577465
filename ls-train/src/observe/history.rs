//! `history.csv`: one row per sweep, written as the sweep ends.

use std::path::PathBuf;

use ls_core::figure::Figure;
use ls_core::fit::{Observer, RunStart, SweepRecord};

use crate::files::Rows;
use crate::run_dir::{Column, RunDir};
use crate::{Error, Result};

/// Writes the history of a run.
pub struct History {
    path: PathBuf,
    /// The history up to the checkpoint that the run goes on from.
    earlier: Option<String>,
    figures: Vec<Figure>,
    rows: Option<Rows>,
}

impl History {
    /// The history in a run folder, which begins anew.
    pub fn new(run: &RunDir) -> Self {
        Self {
            path: run.history(),
            earlier: None,
            figures: Vec::new(),
            rows: None,
        }
    }

    /// The history of a run that goes on from a checkpoint, which holds what comes before. Later rows, of sweeps that were lost, are
    /// dropped, whatever became of the file.
    #[must_use]
    pub fn after(self, earlier: String) -> Self {
        Self {
            earlier: Some(earlier),
            ..self
        }
    }

    /// Comments that describe the columns, and the row of their names.
    fn header(&self) -> String {
        let columns = Column::all(&self.figures);
        let comments = columns.iter().map(|column| column.header_line() + "\n");
        let names: Vec<_> = columns.iter().map(|column| column.key.as_str()).collect();
        comments.collect::<String>() + &names.join(",") + "\n"
    }
}

impl Observer<Error> for History {
    fn started(&mut self, start: &RunStart<'_>) -> Result<()> {
        self.figures = start.figures.to_vec();
        let beginning = self.earlier.take().unwrap_or_else(|| self.header());
        self.rows = Some(Rows::create(&self.path, &beginning)?);
        Ok(())
    }

    /// Adds the row of a sweep; figures that it does not have stay empty.
    fn sweep_ended(&mut self, record: &SweepRecord) -> Result<()> {
        let counters = [
            record.sweep.to_string(),
            format!("{:.3}", record.elapsed.as_secs_f64()),
        ];
        let values = self.figures.iter().map(|figure| record.value(figure));
        let values = values.map(|value| value.map_or_else(String::new, |value| value.to_string()));
        match &mut self.rows {
            Some(rows) => rows.add(counters.into_iter().chain(values)),
            None => Ok(()),
        }
    }
}
