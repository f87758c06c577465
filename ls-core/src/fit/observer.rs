//! Observers: what happens around a run.

use super::record::SweepRecord;
use super::state::Snapshot;
use super::stop::Stop;
use crate::figure::Figure;

/// Facts about a run, before its first sweep.
#[derive(Clone, Copy, Debug)]
pub struct RunStart<'a> {
    /// The run in one line; the name of the method unless [`Fit::label`](super::Fit::label) says more.
    pub label: &'a str,
    /// Figures that the run can report, in the order in which they are shown.
    pub figures: &'a [Figure],
    /// Sweeps that were done before; above 0 for a resumed run.
    pub done: usize,
    /// Number of the last sweep.
    pub sweeps: usize,
    /// Samples of the training split.
    pub samples: usize,
}

/// Progress within a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepProgress {
    /// Number of the sweep.
    pub sweep: usize,
    /// Training samples seen in it.
    pub seen: usize,
    /// Training samples in all.
    pub samples: usize,
}

/// Takes in the events of a run: to show them, to write them down, to save checkpoints.
///
/// `E` is the error type of the loop; the first error of an observer ends the run.
///
/// ```
/// use ls_core::fit::{Observer, SweepRecord};
/// use ls_core::Result;
///
/// /// Remembers the original loss after every sweep.
/// #[derive(Default)]
/// struct Losses(Vec<f64>);
///
/// impl Observer for &mut Losses {
///     fn sweep_ended(&mut self, record: &SweepRecord) -> Result<()> {
///         self.0.push(record.train.original_loss_mean);
///         Ok(())
///     }
/// }
/// ```
pub trait Observer<E = crate::Error> {
    /// The run is about to start.
    ///
    /// # Errors
    /// The observer's own.
    fn started(&mut self, _start: &RunStart<'_>) -> Result<(), E> {
        Ok(())
    }

    /// A sweep starts, or one of its batches was seen.
    ///
    /// # Errors
    /// The observer's own.
    fn progressed(&mut self, _progress: SweepProgress) -> Result<(), E> {
        Ok(())
    }

    /// A sweep has ended and was measured; sweep 0 is the start of a new run.
    ///
    /// # Errors
    /// The observer's own.
    fn sweep_ended(&mut self, _record: &SweepRecord) -> Result<(), E> {
        Ok(())
    }

    /// The state after a sweep, for a checkpoint; `stop` says why the run ends here, if it does.
    ///
    /// # Errors
    /// The observer's own.
    fn checkpoint(&mut self, _snapshot: Snapshot<'_>, _stop: Option<Stop>) -> Result<(), E> {
        Ok(())
    }

    /// Asked after every sweep: whether the run should end.
    fn wants_stop(&self) -> bool {
        false
    }
}
