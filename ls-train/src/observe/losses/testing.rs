//! Runs for tests.

use core::time::Duration;

use ls_core::figure::{Figure, Figures, SplitName};
use ls_core::fit::{
    ACCURACY, BOUND_RATIO, CERTIFICATE, ORIGINAL_LOSS, RESIDUAL, RunStart, SEPARATED_LOSS,
    SweepRecord,
};
use ls_core::objective::Measurement;

use super::state::State;

/// The state of a run that reports `figures`, before its first sweep.
pub(super) fn state_of(figures: &[Figure], sweeps: usize) -> State {
    State::new(&RunStart {
        label: "exact on digits",
        figures,
        done: 0,
        sweeps,
        samples: 1000,
    })
}

/// The figures of a method with auxiliary variables, a step and a form.
pub(super) fn start_figures(hidden: usize) -> Vec<Figure> {
    let mut figures = vec![
        ORIGINAL_LOSS.on(SplitName::Train),
        SEPARATED_LOSS,
        CERTIFICATE,
        BOUND_RATIO,
        ACCURACY.on(SplitName::Train),
        ORIGINAL_LOSS.on(SplitName::Test),
        ACCURACY.on(SplitName::Test),
    ];
    figures.extend((1..=hidden).map(|l| RESIDUAL.at(l)));
    figures.extend([Figure::new("Step"), Figure::new("Form")]);
    figures.extend((1..=hidden).map(|l| Figure::new("Condition").at(l)));
    figures
}

/// A record with the given figures.
pub(super) fn record(sweep: usize, figures: Figures) -> SweepRecord {
    SweepRecord {
        sweep,
        elapsed: Duration::ZERO,
        train: Measurement {
            samples: 1000,
            original_loss_mean: 0.0,
            accuracy: 0.0,
            separated: None,
        },
        validation: None,
        calibrated_loss_mean: None,
        test: None,
        figures,
    }
}

/// A run whose losses fall by a factor of 1.3 in every sweep, `S` and `C` within twice `F`.
pub(super) fn running(hidden: usize, sweeps: usize) -> State {
    let mut state = state_of(&start_figures(hidden), 40);
    for sweep in 0..=sweeps {
        let loss = 2.3 / 1.3_f64.powi(i32::try_from(sweep).unwrap());
        let mut figures = Figures::default()
            .with(ORIGINAL_LOSS.on(SplitName::Train), loss)
            .with(CERTIFICATE, 1.4 * loss)
            .with(SEPARATED_LOSS, 1.9 * loss)
            .with(BOUND_RATIO, 1.9)
            .with(ACCURACY.on(SplitName::Train), 0.75)
            .with(ORIGINAL_LOSS.on(SplitName::Test), loss + 0.1)
            .with(ACCURACY.on(SplitName::Test), 0.5)
            .with(Figure::new("Step"), 0.125)
            .with(Figure::new("Form"), "long");
        for l in 1..=hidden {
            figures.record(RESIDUAL.at(l), loss / l as f64);
        }
        state.sweep_ended(&record(sweep, figures));
    }
    state
}
