//! The end of a run: its weights and `summary.json`.

use ls_core::fit::{Observer, Snapshot, Stop};

use crate::run_dir::{RunDir, RunFacts};
use crate::{Error, Result};

/// Writes the weights and the summary when a run ends.
pub struct WriteSummary<'a> {
    run: &'a RunDir,
    facts: RunFacts,
}

impl<'a> WriteSummary<'a> {
    /// The end of a run in a folder. Its history must be written by an observer before this one: the figures of the summary are
    /// those of the row whose weights are kept.
    pub fn new(run: &'a RunDir, facts: RunFacts) -> Self {
        Self { run, facts }
    }
}

impl Observer<Error> for WriteSummary<'_> {
    fn checkpoint(&mut self, snapshot: Snapshot<'_>, stop: Option<Stop>) -> Result<()> {
        let Some(stop) = stop else { return Ok(()) };
        let network = snapshot.best.unwrap_or(&snapshot.model.network);
        let saved = self
            .run
            .save_end(network, self.facts.clone(), snapshot.state, stop);
        saved.map(|_| ())
    }
}
