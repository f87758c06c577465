//! Checkpoints, as often as a rule says and at the end of a run.

use std::time::Instant;

use ls_core::fit::{Observer, Snapshot, Stop};

use crate::config::RunConfig;
use crate::data::Fingerprint;
use crate::run_dir::{CheckpointContents, RunDir};
use crate::{Error, Result};

/// Share of the time of the sweeps that economical checkpoints may take.
const SHARE: f64 = 0.05;

/// The rule that says when checkpoints are written. All but the last also write one at the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointRule {
    /// While writing them takes a twentieth of the time of the sweeps at most.
    Economical,
    /// After so many sweeps.
    Every(usize),
    /// Never, not even at the end.
    Never,
}

/// Writes the checkpoints of a run.
pub struct WriteCheckpoints<'a> {
    run: &'a RunDir,
    keep: usize,
    rule: CheckpointRule,
    config: RunConfig,
    fingerprint: Fingerprint,
    /// Seconds spent on checkpoints.
    spent: f64,
    /// Seconds of sweeps before this process.
    before: f64,
}

impl<'a> WriteCheckpoints<'a> {
    /// Checkpoints of a run with a configuration and data, whose sweeps took so many seconds before; the last `keep` stay. The history
    /// must be written by an observer before this one: every checkpoint holds it, too.
    pub fn new(
        run: &'a RunDir,
        keep: usize,
        rule: CheckpointRule,
        config: RunConfig,
        fingerprint: Fingerprint,
        before: f64,
    ) -> Self {
        Self {
            run,
            keep,
            rule,
            config,
            fingerprint,
            spent: 0.0,
            before,
        }
    }

    fn is_due(&self, snapshot: &Snapshot<'_>, stop: Option<Stop>) -> bool {
        let state = snapshot.state;
        match self.rule {
            CheckpointRule::Never => false,
            _ if stop.is_some() => true,
            CheckpointRule::Economical => self.spent <= SHARE * (state.seconds - self.before),
            CheckpointRule::Every(sweeps) => state.sweep.is_multiple_of(sweeps.max(1)),
        }
    }
}

impl Observer<Error> for WriteCheckpoints<'_> {
    fn checkpoint(&mut self, snapshot: Snapshot<'_>, stop: Option<Stop>) -> Result<()> {
        if !self.is_due(&snapshot, stop) {
            return Ok(());
        }
        let started = Instant::now();
        let history = self.run.read_history()?;
        self.run.checkpoints(self.keep).write(CheckpointContents {
            snapshot,
            stop,
            history: &history,
            config: &self.config,
            fingerprint: &self.fingerprint,
        })?;
        self.spent += started.elapsed().as_secs_f64();
        Ok(())
    }
}
