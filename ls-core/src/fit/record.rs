//! The record of a sweep: its measurements and its figures.

use core::time::Duration;

use crate::figure::{Better, Figure, FigureScale, FigureValue, Figures, SplitName};
use crate::method::Method;
use crate::network::Network;
use crate::objective::Measurement;

/// `F`, mean over the samples of a split.
pub const ORIGINAL_LOSS: Figure = Figure::new("Original loss")
    .unit("nats")
    .better(Better::Lower)
    .chart("Losses");

/// Share of the samples of a split that are classified correctly, 0 to 1.
pub const ACCURACY: Figure = Figure::new("Accuracy")
    .unit("share")
    .better(Better::Higher)
    .scale(FigureScale::Linear)
    .chart("Accuracy");

/// The least loss that any scale of the logits has on the validation split ([`calibrated_loss`](crate::objective::calibrated_loss)). The
/// weights of the sweep with the lowest one are kept.
pub const CALIBRATED_LOSS: Figure = Figure::new("Calibrated loss")
    .on(SplitName::Validation)
    .unit("nats")
    .better(Better::Lower)
    .chart("Losses")
    .detail();

/// `S`, mean over the training samples.
pub const SEPARATED_LOSS: Figure = Figure::new("Separated loss")
    .on(SplitName::Train)
    .unit("nats")
    .better(Better::Lower)
    .chart("Losses");

/// `C ≥ F`, mean over the training samples.
pub const CERTIFICATE: Figure = Figure::new("Certificate")
    .on(SplitName::Train)
    .unit("nats")
    .better(Better::Lower)
    .chart("Losses");

/// `S/F`, of the training split: how far the separated loss lies above the original one.
pub const BOUND_RATIO: Figure = Figure::new("S/F")
    .on(SplitName::Train)
    .better(Better::Lower)
    .scale(FigureScale::Linear)
    .chart("Bound");

/// `1/N Σ_n ‖a_{l,n} - f_l(a_{l-1,n})‖²` of a hidden stage.
pub const RESIDUAL: Figure = Figure::new("Residual")
    .on(SplitName::Train)
    .unit("squared activation units")
    .better(Better::Lower)
    .chart("Residuals")
    .detail();

/// Figures after a sweep; sweep 0 is the start.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepRecord {
    /// Number of the sweep.
    pub sweep: usize,
    /// Wall time spent in sweeps; measurements are not counted, so that methods with short sweeps do not pay more for them.
    pub elapsed: Duration,
    /// The training split in the method's own terms.
    pub train: Measurement,
    /// The validation split, by a plain forward pass; `None` without one.
    pub validation: Option<Measurement>,
    /// The least loss that any scale of the logits has on the validation split, mean over samples; `None` without one.
    pub calibrated_loss_mean: Option<f64>,
    /// The test split, by a plain forward pass; `None` without one.
    pub test: Option<Measurement>,
    /// Values of all figures, of the measurements and of the method.
    pub figures: Figures,
}

/// The measurements after a sweep.
pub(super) struct Measured {
    pub train: Measurement,
    pub validation: Option<Measurement>,
    pub calibrated_loss_mean: Option<f64>,
    pub test: Option<Measurement>,
}

impl SweepRecord {
    /// Puts measurements and the figures of the method together.
    pub(super) fn new(sweep: usize, seconds: f64, measured: Measured, method: &Figures) -> Self {
        let Measured {
            train,
            validation,
            calibrated_loss_mean,
            test,
        } = measured;
        let splits = [
            (SplitName::Train, Some(&train)),
            (SplitName::Validation, validation.as_ref()),
            (SplitName::Test, test.as_ref()),
        ];
        let mut figures = Figures::default();
        for (split, measured) in splits {
            let Some(measured) = measured else { continue };
            figures.record(ORIGINAL_LOSS.on(split), measured.original_loss_mean);
            figures.record(ACCURACY.on(split), measured.accuracy);
        }
        figures.record_some(CALIBRATED_LOSS, calibrated_loss_mean);
        record_separated(&mut figures, &train);
        for &(figure, value) in method.iter() {
            figures.record(figure, value);
        }
        Self {
            sweep,
            elapsed: Duration::from_secs_f64(seconds),
            train,
            validation,
            calibrated_loss_mean,
            test,
            figures,
        }
    }

    /// Takes over the separated loss of a second measurement of the training split; the plain figures stay.
    pub(super) fn separate(&mut self, train: Measurement) {
        self.train.separated = train.separated;
        record_separated(&mut self.figures, &self.train);
    }

    /// Returns the value of a figure, if the sweep has it.
    pub fn value(&self, figure: &Figure) -> Option<FigureValue> {
        self.figures.value(figure)
    }
}

fn record_separated(figures: &mut Figures, train: &Measurement) {
    let Some(separated) = &train.separated else {
        return;
    };
    figures.record(SEPARATED_LOSS, separated.separated_loss_mean);
    figures.record_some(CERTIFICATE, separated.certificate_mean);
    let ratio = separated.separated_loss_mean / train.original_loss_mean;
    figures.record_some(BOUND_RATIO, Some(ratio).filter(|ratio| ratio.is_finite()));
    for (l, &residual) in separated.residual_square_means.iter().enumerate() {
        figures.record(RESIDUAL.at(l + 1), residual);
    }
}

/// All figures that a run can report, in the order in which they are shown: losses, accuracies, residuals, and those of the method.
pub(super) fn figures(
    method: &dyn Method,
    network: &Network,
    validation: bool,
    test: bool,
) -> Vec<Figure> {
    let mut splits = vec![SplitName::Train];
    splits.extend(validation.then_some(SplitName::Validation));
    splits.extend(test.then_some(SplitName::Test));
    let separated = method.has_auxiliary_variables();
    let mut figures = vec![ORIGINAL_LOSS.on(SplitName::Train)];
    if separated {
        figures.extend([SEPARATED_LOSS, CERTIFICATE, BOUND_RATIO]);
    }
    figures.push(ACCURACY.on(SplitName::Train));
    for &split in &splits[1..] {
        figures.extend([ORIGINAL_LOSS.on(split), ACCURACY.on(split)]);
    }
    figures.extend(validation.then_some(CALIBRATED_LOSS));
    if separated {
        figures.extend((1..=network.hidden()).map(|l| RESIDUAL.at(l)));
    }
    figures.extend(method.figures());
    figures
}
