//! Configurations that several experiments start from.

use ls_core::model::{CnnConfig, MlpConfig, ModelConfig};
use ls_core::stage::{Activation, Init};
use ls_datasets::Source;

use crate::config::{AlternatingConfig, MethodConfig, RunConfig};

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
