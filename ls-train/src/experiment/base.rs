//! Configurations that several experiments start from.

use ls_core::model::{CnnConfig, MlpConfig, ModelConfig};
use ls_core::stage::{Activation, Init};
use ls_datasets::Source;

use super::{Case, Choice, Contender};
use crate::config::{AlternatingConfig, MethodConfig, OptimizerName, RunConfig};

/// Returns the configuration of a fully connected network on the embedded digits.
pub(super) fn digits(hidden: &[usize], activation: Activation, init: Init) -> RunConfig {
    RunConfig {
        model: ModelConfig::Mlp(MlpConfig {
            init,
            ..MlpConfig::new(hidden.to_vec(), activation)
        })
        .into(),
        ..RunConfig::default()
    }
}

/// Returns the configuration of the default convolutional network.
pub(super) fn cnn(activation: Activation) -> RunConfig {
    RunConfig {
        model: ModelConfig::Cnn(CnnConfig::new(activation)).into(),
        ..RunConfig::default()
    }
}

/// Returns the settings of alternating minimization with a number of weight passes.
pub(super) fn alternating(weight_passes: usize) -> AlternatingConfig {
    AlternatingConfig {
        weight_passes,
        ..AlternatingConfig::default()
    }
}

/// Replaces the method by alternating minimization.
pub(super) fn with_method(base: &RunConfig, settings: AlternatingConfig) -> RunConfig {
    RunConfig {
        method: MethodConfig::Alternating(settings).into(),
        ..base.clone()
    }
}

/// The first samples of a data set.
pub(super) fn first_samples(mut base: RunConfig, source: Source, samples: usize) -> RunConfig {
    base.data.dataset = source.name().into();
    base.data.limit = Some(samples);
    base
}

/// Rates of Adam with the straight-through estimator.
const RATES: [f64; 4] = [3e-4, 1e-3, 3e-3, 1e-2];

/// Samples of a batch.
const BATCH: usize = 128;

/// Compares `exact` and `foof` with Adam and the straight-through estimator on one problem, for a multiple of the experiment's seconds.
pub(super) fn straight_through(name: &str, base: RunConfig, times: f64) -> Case {
    let adam = Contender::falling(&base, BATCH, OptimizerName::Adam, &RATES, &[0.0]);
    let contenders = vec![Contender::exact(&base), Contender::foof(&base, BATCH), adam];
    Case {
        choice: Choice::TestAccuracy,
        times,
        ..Case::new(name, contenders)
    }
}
