//! `history.csv`: one row per sweep, written as the sweep ends.

use std::fs::File;
use std::path::PathBuf;

use ls_core::figure::Figure;
use ls_core::fit::{Observer, RunStart, SweepRecord};

use crate::run_dir::{Column, RunDir, write_atomically};
use crate::{Error, Result};

/// Writes the history of a run.
pub struct History {
    path: PathBuf,
    figures: Vec<Figure>,
    writer: Option<csv::Writer<File>>,
}

impl History {
    /// The history in a run folder. The run starts the file, or continues it where it resumes.
    pub fn new(run: &RunDir) -> Self {
        Self {
            path: run.history(),
            figures: Vec::new(),
            writer: None,
        }
    }

    fn create(&self) -> Result<csv::Writer<File>> {
        let columns = Column::all(&self.figures);
        let mut text: String = columns
            .iter()
            .map(|column| column.header_line() + "\n")
            .collect();
        let names: Vec<_> = columns.iter().map(|column| column.key.as_str()).collect();
        text += &(names.join(",") + "\n");
        write_atomically(&self.path, text.as_bytes())?;
        self.append()
    }

    /// Continues after a sweep: later rows, of sweeps that were lost, are dropped.
    fn resume(&self, sweep: usize) -> Result<csv::Writer<File>> {
        let text = std::fs::read_to_string(&self.path);
        let text = text.map_err(|error| Error::file("read", &self.path, error))?;
        let is_kept = |line: &&str| {
            let number = line.split(',').next().and_then(|cell| cell.parse().ok());
            number.is_none_or(|number: usize| number <= sweep)
        };
        // The last line may be half a row; it is that of a later sweep than any checkpoint.
        let complete = text.rfind('\n').map_or("", |end| &text[..=end]);
        let kept: String = complete.split_inclusive('\n').filter(is_kept).collect();
        write_atomically(&self.path, kept.as_bytes())?;
        self.append()
    }

    fn append(&self) -> Result<csv::Writer<File>> {
        let file = File::options().append(true).open(&self.path);
        let file = file.map_err(|error| Error::file("write", &self.path, error))?;
        Ok(csv::Writer::from_writer(file))
    }
}

impl Observer<Error> for History {
    fn started(&mut self, start: &RunStart<'_>) -> Result<()> {
        self.figures = start.figures.to_vec();
        self.writer = Some(match start.done {
            0 => self.create()?,
            done => self.resume(done)?,
        });
        Ok(())
    }

    /// Adds the row of a sweep; figures that it does not have stay empty.
    fn sweep_ended(&mut self, record: &SweepRecord) -> Result<()> {
        let mut row = vec![
            record.sweep.to_string(),
            format!("{:.3}", record.elapsed.as_secs_f64()),
        ];
        let values = self.figures.iter().map(|figure| record.value(figure));
        row.extend(values.map(|value| value.map_or_else(String::new, |value| value.to_string())));
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        let written = writer.write_record(row);
        written
            .and_then(|()| Ok(writer.flush()?))
            .map_err(|error| Error::file("write", &self.path, error))
    }
}
